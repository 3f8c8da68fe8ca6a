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
// Of the longest step, for cells: an estimator that stands still loses a network that moves.
constexpr double kLeastShare = 0.1;
constexpr double kMemory = 0.99;
constexpr double kTiny = 1e-9;

}  // namespace

SiteEstimator::SiteEstimator(SiteShape shape, std::size_t features)
    : shape_(shape), features_(features), values_(shape.probed ? features * shape.columns : 0) {}

// A probe of an example spans one of features × columns directions, so a batch spans examples ×
// probes of them, and a longer step would overshoot. Probes by weights change activations by
// another size than 1, and so do probes of cells their sums; the mean square of the change undoes
// that.
double SiteEstimator::LongestStep(double mean_change, double spanned) const {
  if (!shape_.by_weights && !shape_.shared) return std::min(kMostStep, kStability * spanned);
  const double step = shape_.by_weights
                          ? std::min(kMostStepByWeights, kStabilityByWeights * spanned)
                          : std::min(kMostStep, kStabilityShared * spanned);
  return step / (mean_change + kTiny);
}

void SiteEstimator::Learn(std::span<const SiteSums* const> slots, double examples, double probes,
                          std::span<const double> moment) {
  if (values_.empty()) return;
  SiteSums sum;
  std::vector<std::span<const float>> corrections;
  for (const SiteSums* slot : slots) {
    sum.observed += slot->observed;
    sum.unforeseen += slot->unforeseen;
    sum.change += slot->change;
    const std::vector<float>& add = slot->correction;
    const bool finite =
        std::all_of(add.begin(), add.end(), [](float x) { return std::isfinite(x); });
    if (finite && add.size() == values_.size()) corrections.emplace_back(add);
  }
  if (!std::isfinite(sum.observed) || !std::isfinite(sum.unforeseen)) return;
  observed_ = kMemory * observed_ + (1 - kMemory) * sum.observed;
  unforeseen_ = kMemory * unforeseen_ + (1 - kMemory) * sum.unforeseen;
  const auto columns = static_cast<double>(shape_.columns);
  const double mean_change = sum.change / (examples * probes * columns);
  const double longest =
      LongestStep(mean_change, examples * probes / (static_cast<double>(features_) * columns));
  if (!std::isfinite(longest)) return;
  double chosen = longest;
  if (shape_.shared) {
    agreement_.See(corrections, moment);
    const double wanted = agreement_.BestStep() / (mean_change + kTiny);
    chosen = std::clamp(wanted, kLeastShare * longest, longest);
  }
  const auto step = static_cast<float>(chosen / examples);
  for (const std::span<const float> add : corrections) {
    for (std::size_t i = 0; i < values_.size(); ++i) values_[i] += step * add[i];
  }
}

void SiteEstimator::Save(ByteWriter& out) const {
  out.PutVector(values_);
  agreement_.Save(out);
  out.Put(observed_);
  out.Put(unforeseen_);
}

void SiteEstimator::Load(ByteReader& in) {
  std::vector<float> values = in.GetVector<float>();
  if (values.size() != values_.size()) return in.Fail();
  values_ = std::move(values);
  agreement_.Load(in);
  observed_ = in.Get<double>();
  unforeseen_ = in.Get<double>();
}

}  // namespace ndcao
