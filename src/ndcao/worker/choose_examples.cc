#include "ndcao/worker/choose_examples.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "ndcao/data/sampler.h"

namespace ndcao {

ChosenExamples ChooseExamples(std::span<const std::int32_t> strata, std::span<const float> losses,
                              std::span<const float> scores, std::uint32_t b, double u) {
  std::vector<std::uint32_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  const auto key = [&](std::uint32_t i) {
    return std::pair(strata[i], std::isfinite(scores[i]) ? scores[i] : 0);
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return key(a) < key(b); });
  std::vector<float> sorted(scores.size());
  for (std::size_t i = 0; i < order.size(); ++i) sorted[i] = scores[order[i]];
  Screened kept = ScreenExamples(sorted, b, u);
  ChosenExamples chosen;
  chosen.weights = std::move(kept.weights);
  for (std::size_t j = 0; j < kept.positions.size(); ++j) {
    chosen.positions.push_back(order[kept.positions[j]]);
    chosen.loss += static_cast<double>(chosen.weights[j]) * losses[chosen.positions[j]];
  }
  chosen.loss /= static_cast<double>(chosen.positions.size());
  return chosen;
}

}  // namespace ndcao
