// A data set that fits on a line.
#pragma once

#include <cstdint>
#include <random>

#include "ndcao/data/dataset.h"

namespace ndcao {

inline constexpr std::uint32_t kKinds = 4;

/// Four kinds of points: the largest coordinate is the class.
inline Dataset Points() {
  std::mt19937 random(1);
  std::uniform_real_distribution<float> uniform(0, 1);
  const auto make = [&](std::uint32_t count) {
    Examples examples;
    for (std::uint32_t i = 0; i < count; ++i) {
      for (std::uint32_t j = 0; j < kKinds; ++j) {
        examples.values.push_back(uniform(random) + (i % kKinds == j ? 1.0f : 0.0f));
      }
      examples.labels.push_back(static_cast<std::int32_t>(i % kKinds));
    }
    return examples;
  };
  return Dataset::Create("points", {kKinds}, kKinds, make(200), make(40)).value();
}

}  // namespace ndcao
