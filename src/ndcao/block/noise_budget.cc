#include "ndcao/block/noise_budget.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "ndcao/block/perturbing.h"

namespace ndcao {
namespace {

constexpr double kFirstQuietGroups = 30;  // under the guard's first rules, however short the run

StepContext MakeStepContext(const BlockOptions& options, const CohortContext& context) {
  return {static_cast<double>(context.shape.evaluations), static_cast<double>(context.gathered),
          static_cast<double>(context.parameters), options.loss_floor, options.noise_budget};
}

}  // namespace

NoiseBudgetOptimizer::NoiseBudgetOptimizer(const BlockOptions& options, CohortContext context)
    : options_(options),
      context_(std::move(context)),
      stream_(context_.seed),
      statistics_(MakeStepContext(options_, context_)),
      best_statistics_(statistics_) {}

double NoiseBudgetOptimizer::SigmaAt(double progress) const {
  return options_.sigma_end + (options_.sigma - options_.sigma_end) * (1 - progress);
}

std::shared_ptr<const Proposal> NoiseBudgetOptimizer::Propose(TrialId trial,
                                                              double progress) const {
  return std::make_shared<StreamProposal>(&context_.slice, stream_, trial,
                                          static_cast<float>(SigmaAt(progress)), false);
}

void NoiseBudgetOptimizer::ObserveAll(std::span<const GroupObservation> groups,
                                      std::span<const float>, std::span<float> target,
                                      Executor& executor) {
  std::vector<Move> moves;
  for (const GroupObservation& group : groups) Learn(group, moves);
  AddMoves(context_.slice, stream_, moves, target, executor);
}

// Adds what there is to be moved to `moves`.
void NoiseBudgetOptimizer::Learn(const GroupObservation& group, std::vector<Move>& moves) {
  if (guard_.Outdated(group.base_version)) return;
  const bool taught = statistics_.Add(group.centre, group.losses, SigmaAt(group.base_progress));
  if (!taught && std::isfinite(group.centre)) return;
  const LossGuard::Verdict verdict = taught ? Judge(group) : guard_.AddNonFinite();
  if (verdict == LossGuard::Verdict::kDiverging) {
    RollBack(group.version, moves);
    return;
  }
  if (!taught) return;
  guard_.Regain(options_.noise_budget.regain * group.horizon);
  if (verdict == LossGuard::Verdict::kFalling) {
    best_statistics_ = statistics_;
    ForgetSeenMoves(group);
  }
  eta_ = guard_.step_factor() * statistics_.Step(group.time, group.horizon);
  if (eta_ == 0) return;
  moves.push_back({group.trial, statistics_.Coefficients(eta_, group.losses), group.version});
  guard_.Remember(moves.back());
}

// What remains high after the moves were taken back is no divergence but where the run now stands.
LossGuard::Verdict NoiseBudgetOptimizer::Judge(const GroupObservation& group) {
  const bool first_rules = options_.noise_budget.guard == 1;
  const double least = guard_.least_loss();
  const LossGuard::Verdict verdict =
      guard_.Add(group.centre, statistics_.group_loss(), statistics_.loss_deviation(),
                 statistics_.ExcessOf(least),
                 first_rules ? kFirstQuietGroups : NoiseStatistics::QuietGroups(group.horizon));
  if (verdict != LossGuard::Verdict::kDiverging || first_rules || !guard_.stranded()) {
    return verdict;
  }
  guard_.Settle();
  statistics_.ResetLoss(guard_.least_loss());
  decisions_.push_back(fmt::format("the loss stays at {:.6g}, where it had been {:.6g}: goes on",
                                   guard_.least_loss(), least));
  return LossGuard::Verdict::kFalling;
}

// A group that was measured at a version has seen what was decided up to it, unless some block was
// still waiting to make the move.
void NoiseBudgetOptimizer::ForgetSeenMoves(const GroupObservation& group) {
  const std::uint64_t waiting = context_.wait - 1;
  if (options_.noise_budget.guard > 1) {
    if (group.base_version > waiting) guard_.ForgetUpTo(group.base_version - waiting);
  } else {
    const std::uint64_t late = group.version - 1 - group.base_version;
    guard_.ForgetAllBut(waiting > 0 ? waiting + late : 0);
  }
}

// The perturbations are regenerated from their keys, so no copy of θ has to be kept.
void NoiseBudgetOptimizer::RollBack(std::uint64_t version, std::vector<Move>& moves) {
  const std::deque<Move> taken_back = guard_.TakeMoves();
  for (const Move& move : taken_back) {
    moves.push_back(move);
    for (float& c : moves.back().coefficients) c = -c;
  }
  decisions_.push_back(
      fmt::format("the loss rose from {:.6g} to {:.6g}: took back {} moves and halved the step",
                  guard_.least_loss(), guard_.fast_loss(), taken_back.size()));
  guard_.Restart(version + context_.wait - 1);  // until then some block has not returned
  statistics_ = best_statistics_;  // what was seen since says nothing about the place returned to
  statistics_.ResetLoss(guard_.least_loss());
}

std::vector<std::string> NoiseBudgetOptimizer::TakeDecisions() {
  return std::exchange(decisions_, {});
}

void NoiseBudgetOptimizer::Save(ByteWriter& out) const {
  statistics_.Save(out);
  best_statistics_.Save(out);
  guard_.Save(out);
  out.Put(eta_);
}

void NoiseBudgetOptimizer::Load(ByteReader& in) {
  statistics_.Load(in);
  best_statistics_.Load(in);
  guard_.Load(in);
  eta_ = in.Get<double>();
}

std::vector<Statistic> NoiseBudgetOptimizer::Statistics() const {
  return {{"loss", statistics_.loss()},
          {"gB2", statistics_.gradient()},
          {"trH", statistics_.curvature()},
          {"sigma", statistics_.sigma()},
          {"eta", eta_},
          {"step_factor", guard_.step_factor()}};
}

}  // namespace ndcao
