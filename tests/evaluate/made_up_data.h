// A small data set for tests of networks.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "ndcao/data/dataset.h"

namespace ndcao {

/// 20 examples of bytes, for training and testing alike.
inline std::shared_ptr<const Dataset> MadeUpData(const std::vector<std::int64_t>& shape,
                                                 int classes = 10) {
  Examples examples;
  std::size_t features = 1;
  for (const std::int64_t n : shape) features *= static_cast<std::size_t>(n);
  for (int i = 0; i < 20; ++i) {
    for (std::size_t j = 0; j < features; ++j) {
      examples.bytes.push_back(static_cast<std::uint8_t>((i * 37 + j * 101 + i * j) % 256));
    }
    examples.labels.push_back(i % classes);
  }
  return std::make_shared<const Dataset>(
      Dataset::Create("made-up", shape, classes, examples, examples).value());
}

}  // namespace ndcao
