#include "ndcao/block/two_point.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "ndcao/block/pairs.h"
#include "ndcao/block/perturbing.h"
#include "ndcao/block/schedule.h"

namespace ndcao {
namespace {

// Plain gradient descent follows any loss it is told, but θ stays finite.
constexpr double kGreatestMove = 1e25;

}  // namespace

TwoPointOptimizer::TwoPointOptimizer(const BlockOptions& options, CohortContext context,
                                     Distribution distribution)
    : options_(options), context_(std::move(context)), stream_(context_.seed, distribution) {}

std::shared_ptr<const Proposal> TwoPointOptimizer::Propose(TrialId trial, double) const {
  return std::make_shared<StreamProposal>(&context_.slice, stream_, trial,
                                          static_cast<float>(options_.sigma), true);
}

void TwoPointOptimizer::Observe(const GroupObservation& group, std::span<const float>,
                                std::span<float> target, Executor& executor) {
  const std::vector<LossPair> pairs = FinitePairs(group.losses);
  if (pairs.empty()) return;
  const double count = static_cast<double>(pairs.size());
  rate_ = options_.peer.rate * RateSchedule(group.time, group.horizon);
  slope_ = 0;
  Move move{group.trial, std::vector<float>(group.losses.size() / 2, 0.0f)};
  for (const LossPair& pair : pairs) {
    const double slope = (pair.plus - pair.minus) / (2 * options_.sigma);
    slope_ += std::abs(slope) / count;
    move.coefficients[pair.index] =
        static_cast<float>(std::clamp(-rate_ * slope / count, -kGreatestMove, kGreatestMove));
  }
  AddMoves(context_.slice, stream_, {&move, 1}, target, executor);
}

void TwoPointOptimizer::Save(ByteWriter& out) const {
  out.Put(rate_);
  out.Put(slope_);
}

void TwoPointOptimizer::Load(ByteReader& in) {
  rate_ = in.Get<double>();
  slope_ = in.Get<double>();
}

std::vector<Statistic> TwoPointOptimizer::Statistics() const {
  return {{"rate", rate_}, {"slope", slope_}};
}

}  // namespace ndcao
