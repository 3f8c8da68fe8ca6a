#include "ndcao/activation/site_estimator.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace ndcao {
namespace {

// Measured in docs/results.md: below these, slower; above, divergence.
constexpr double kMostStep = 0.04;
constexpr double kMostStepByWeights = 0.02;
constexpr double kStability = 1.0;
constexpr double kStabilityByWeights = 0.5;
constexpr double kStabilityShared = 0.25;
constexpr double kMemory = 0.99;

}  // namespace

std::uint64_t SiteShape::columns() const {
  return cells.empty() ? units : 1 + *std::max_element(cells.begin(), cells.end());
}

SiteEstimator::SiteEstimator(SiteShape shape, std::size_t features)
    : shape_(std::move(shape)),
      features_(features),
      values_(shape_.probed ? features * shape_.units : 0) {
  if (shape_.cells.empty()) return;
  cell_sizes_.resize(shape_.columns());
  for (const std::uint32_t cell : shape_.cells) ++cell_sizes_[cell];
}

void SiteEstimator::ShareWithinCells(std::vector<float>& correction) const {
  if (shape_.cells.empty()) return;
  std::vector<float> sums(cell_sizes_.size());
  for (std::size_t j = 0; j < features_; ++j) {
    float* row = correction.data() + j * shape_.units;
    std::fill(sums.begin(), sums.end(), 0.0f);
    for (std::size_t u = 0; u < shape_.units; ++u) sums[shape_.cells[u]] += row[u];
    for (std::size_t c = 0; c < sums.size(); ++c) sums[c] /= cell_sizes_[c];
    for (std::size_t u = 0; u < shape_.units; ++u) row[u] = sums[shape_.cells[u]];
  }
}

// A probe of an example spans one of features × columns directions, so a batch spans examples ×
// probes of them, and a longer step would overshoot. Probes by weights change activations by
// another size than 1, which the mean square of the change undoes.
double SiteEstimator::StepSize(double change, double examples, double probes) const {
  const auto columns = static_cast<double>(shape_.columns());
  const double spanned = examples * probes / (static_cast<double>(features_) * columns);
  if (!shape_.by_weights) {
    return std::min(kMostStep, (shape_.cells.empty() ? kStability : kStabilityShared) * spanned);
  }
  const double mean = change / (examples * probes * static_cast<double>(shape_.units));
  return std::min(kMostStepByWeights, kStabilityByWeights * spanned) / (mean + 1e-9);
}

void SiteEstimator::Learn(std::span<const SiteSums* const> slots, double examples, double probes) {
  if (values_.empty()) return;
  SiteSums sum;
  for (const SiteSums* slot : slots) {
    sum.observed += slot->observed;
    sum.unforeseen += slot->unforeseen;
    sum.change += slot->change;
  }
  if (!std::isfinite(sum.observed) || !std::isfinite(sum.unforeseen)) return;
  observed_ = kMemory * observed_ + (1 - kMemory) * sum.observed;
  unforeseen_ = kMemory * unforeseen_ + (1 - kMemory) * sum.unforeseen;
  const auto step = static_cast<float>(StepSize(sum.change, examples, probes) / examples);
  if (!std::isfinite(step)) return;
  for (const SiteSums* slot : slots) {
    std::vector<float> add = slot->correction;
    const bool finite =
        std::all_of(add.begin(), add.end(), [](float x) { return std::isfinite(x); });
    if (!finite || add.size() != values_.size()) continue;
    ShareWithinCells(add);
    for (std::size_t i = 0; i < values_.size(); ++i) values_[i] += step * add[i];
  }
}

void SiteEstimator::Save(ByteWriter& out) const {
  out.PutVector(values_);
  out.Put(observed_);
  out.Put(unforeseen_);
}

void SiteEstimator::Load(ByteReader& in) {
  std::vector<float> values = in.GetVector<float>();
  if (values.size() != values_.size()) return in.Fail();
  values_ = std::move(values);
  observed_ = in.Get<double>();
  unforeseen_ = in.Get<double>();
}

}  // namespace ndcao
