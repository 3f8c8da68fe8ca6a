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
constexpr double kStabilityShared = 0.5;
constexpr double kMemory = 0.99;

}  // namespace

SiteEstimator::SiteEstimator(SiteShape shape, std::size_t features)
    : shape_(shape), features_(features), values_(shape.probed ? features * shape.columns : 0) {}

// A probe of an example spans one of features × columns directions, so a batch spans examples ×
// probes of them, and a longer step would overshoot. Probes by weights change activations by
// another size than 1, and so do probes of cells their sums; the mean square of the change undoes
// that.
double SiteEstimator::StepSize(double change, double examples, double probes) const {
  const auto columns = static_cast<double>(shape_.columns);
  const double spanned = examples * probes / (static_cast<double>(features_) * columns);
  if (!shape_.by_weights && !shape_.shared) return std::min(kMostStep, kStability * spanned);
  const double mean = change / (examples * probes * columns);
  const double step = shape_.by_weights
                          ? std::min(kMostStepByWeights, kStabilityByWeights * spanned)
                          : std::min(kMostStep, kStabilityShared * spanned);
  return step / (mean + 1e-9);
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
    const std::vector<float>& add = slot->correction;
    const bool finite =
        std::all_of(add.begin(), add.end(), [](float x) { return std::isfinite(x); });
    if (!finite || add.size() != values_.size()) continue;
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
