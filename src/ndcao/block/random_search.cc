#include "ndcao/block/random_search.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "ndcao/block/perturbing.h"

namespace ndcao {
namespace {

constexpr std::size_t kRadiiKept = 128;

}  // namespace

RandomSearchOptimizer::RandomSearchOptimizer(const BlockOptions& options, CohortContext context)
    : context_(std::move(context)),
      stream_(context_.seed, Distribution::kGaussian),
      first_radius_(options.peer.rate),
      radii_{{0, first_radius_}} {}

std::shared_ptr<const Proposal> RandomSearchOptimizer::Propose(TrialId trial) const {
  return std::make_shared<StreamProposal>(&context_.slice, stream_, trial,
                                          static_cast<float>(radii_.back().value), false);
}

void RandomSearchOptimizer::Observe(const GroupObservation& group, std::span<const float>,
                                    std::span<float> target, Executor& executor) {
  float best = group.centre;
  std::vector<float> coefficients(group.losses.size(), 0.0f);
  std::size_t chosen = group.losses.size();
  for (std::size_t k = 0; k < group.losses.size(); ++k) {
    // False for a NaN on either side; −inf is a broken measurement, not a good one.
    if (group.losses[k] < best && std::isfinite(group.losses[k])) {
      best = group.losses[k], chosen = k;
    }
  }
  if (chosen < group.losses.size() && std::isfinite(group.centre)) {
    coefficients[chosen] = static_cast<float>(RadiusAt(group.base_version));
    const Move move{group.trial, std::move(coefficients)};
    AddMoves(context_.slice, stream_, {&move, 1}, target, executor);
    taken_ += 1;
  }
  if (radii_.back().version == group.version && radii_.size() > 1) radii_.pop_back();
  const double left = std::max(0.0, 1 - (group.time + 1) / group.horizon);
  radii_.push_back({group.version, first_radius_ * std::sqrt(left)});
  if (radii_.size() > kRadiiKept) radii_.erase(radii_.begin());
}

double RandomSearchOptimizer::RadiusAt(std::uint64_t version) const {
  double value = radii_.front().value;
  for (const Radius& radius : radii_) {
    if (radius.version <= version) value = radius.value;
  }
  return value;
}

void RandomSearchOptimizer::Save(ByteWriter& out) const {
  out.Put(static_cast<std::uint32_t>(radii_.size()));
  for (const Radius& radius : radii_) {
    out.Put(radius.version);
    out.Put(radius.value);
  }
  out.Put(taken_);
}

void RandomSearchOptimizer::Load(ByteReader& in) {
  radii_.clear();
  const auto count = in.Get<std::uint32_t>();
  if (count == 0 || count > kRadiiKept) in.Fail();
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
    const auto version = in.Get<std::uint64_t>();
    radii_.push_back({version, in.Get<double>()});
  }
  if (radii_.empty()) radii_.push_back({0, first_radius_});
  taken_ = in.Get<double>();
}

std::vector<Statistic> RandomSearchOptimizer::Statistics() const {
  return {{"radius", radii_.back().value}, {"taken", taken_}};
}

}  // namespace ndcao
