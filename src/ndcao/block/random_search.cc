#include "ndcao/block/random_search.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "ndcao/block/perturbing.h"

namespace ndcao {

RandomSearchOptimizer::RandomSearchOptimizer(const BlockOptions& options, CohortContext context)
    : context_(std::move(context)),
      stream_(context_.seed, Distribution::kGaussian),
      first_radius_(options.peer.rate) {}

double RandomSearchOptimizer::RadiusAt(double progress) const {
  return first_radius_ * std::sqrt(1 - progress);
}

std::shared_ptr<const Proposal> RandomSearchOptimizer::Propose(TrialId trial,
                                                               double progress) const {
  return std::make_shared<StreamProposal>(&context_.slice, stream_, trial,
                                          static_cast<float>(RadiusAt(progress)), false);
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
    coefficients[chosen] = static_cast<float>(RadiusAt(group.base_progress));
    const Move move{group.trial, std::move(coefficients)};
    AddMoves(context_.slice, stream_, {&move, 1}, target, executor);
    taken_ += 1;
  }
  radius_ = RadiusAt(std::min(1.0, (group.time + 1) / group.horizon));
}

void RandomSearchOptimizer::Save(ByteWriter& out) const {
  out.Put(radius_);
  out.Put(taken_);
}

void RandomSearchOptimizer::Load(ByteReader& in) {
  radius_ = in.Get<double>();
  taken_ = in.Get<double>();
}

std::vector<Statistic> RandomSearchOptimizer::Statistics() const {
  return {{"radius", radius_}, {"taken", taken_}};
}

}  // namespace ndcao
