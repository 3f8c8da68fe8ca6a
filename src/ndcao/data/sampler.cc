#include "ndcao/data/sampler.h"

#include <cmath>
#include <numeric>
#include <utility>

#include "ndcao/base/result.h"
#include "ndcao/random/sequence.h"

namespace ndcao {
namespace {

constexpr double kUniformShare = 0.2;
// Indices of the trial's streams under Purpose::kExamples.
constexpr std::uint32_t kDrawIndex = 0;
constexpr std::uint32_t kOffsetIndex = 1;
constexpr std::uint32_t kEpochIndex = 2;  // the name is the epoch

double Usable(float score) { return score > 0 && std::isfinite(score) ? score : 0; }

}  // namespace

void DrawExamples(std::uint64_t seed, TrialId trial, std::uint32_t population,
                  std::span<std::uint32_t> out) {
  NDCAO_CHECK(population > 0);
  RandomSequence sequence(seed, Purpose::kExamples, trial.value, kDrawIndex);
  for (std::uint32_t& example : out) example = sequence.Below(population);
}

void ShuffleExamples(std::uint64_t seed, std::uint64_t epoch, std::span<std::uint32_t> order) {
  std::iota(order.begin(), order.end(), 0);
  RandomSequence sequence(seed, Purpose::kExamples, epoch, kEpochIndex);
  for (auto i = static_cast<std::uint32_t>(order.size()); i > 1; --i) {
    std::swap(order[i - 1], order[sequence.Below(i)]);
  }
}

double ScreeningOffset(std::uint64_t seed, TrialId trial) {
  return RandomSequence(seed, Purpose::kExamples, trial.value, kOffsetIndex).Uniform();
}

Screened ScreenExamples(std::span<const float> scores, std::uint32_t b, double u) {
  NDCAO_CHECK(!scores.empty());
  NDCAO_CHECK(u >= 0 && u < 1);
  const auto n = static_cast<double>(scores.size());
  double sum = 0;
  for (const float score : scores) sum += Usable(score);
  const auto probability = [&](std::size_t i) {
    if (sum == 0) return 1 / n;
    return kUniformShare / n + (1 - kUniformShare) * (Usable(scores[i]) / sum);
  };

  Screened screened;
  screened.positions.reserve(b);
  screened.weights.reserve(b);
  std::size_t position = 0;
  double p = probability(0);
  double cumulative = p;
  for (std::uint32_t j = 0; j < b; ++j) {
    const double target = (j + u) / b;
    while (cumulative <= target && position + 1 < scores.size()) {
      p = probability(++position);
      cumulative += p;
    }
    screened.positions.push_back(static_cast<std::uint32_t>(position));
    screened.weights.push_back(static_cast<float>(1 / (n * p)));
  }
  return screened;
}

}  // namespace ndcao
