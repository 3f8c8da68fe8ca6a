// The default optimizer: all blocks are perturbed at once by Rademacher signs, the block's
// estimate of its descent direction is linear in the losses, and the step is set by a budget for
// the noise that it injects, so that nothing has to be tuned. Derived in docs/algorithm.md.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ndcao/block/block_optimizer.h"
#include "ndcao/block/loss_guard.h"
#include "ndcao/block/noise_statistics.h"
#include "ndcao/random/perturbation_stream.h"

namespace ndcao {

class NoiseBudgetOptimizer : public BlockOptimizer {
 public:
  NoiseBudgetOptimizer(const BlockOptions& options, CohortContext context);

  std::shared_ptr<const Proposal> Propose(TrialId trial, double progress) const override;
  void Observe(const GroupObservation& group, std::span<const float> theta, std::span<float> target,
               Executor& executor) override {
    ObserveAll({&group, 1}, theta, target, executor);
  }
  void ObserveAll(std::span<const GroupObservation> groups, std::span<const float> theta,
                  std::span<float> target, Executor& executor) override;
  void Save(ByteWriter& out) const override;
  void Load(ByteReader& in) override;
  std::vector<Statistic> Statistics() const override;
  std::vector<std::string> TakeDecisions() override;

 private:
  double SigmaAt(double progress) const;
  void Learn(const GroupObservation& group, std::vector<Move>& moves);
  LossGuard::Verdict Judge(const GroupObservation& group);
  void ForgetSeenMoves(const GroupObservation& group);
  void RollBack(std::uint64_t version, std::vector<Move>& moves);

  BlockOptions options_;
  CohortContext context_;
  PerturbationStream stream_;
  NoiseStatistics statistics_;
  NoiseStatistics best_statistics_;  // at the guard's least loss
  LossGuard guard_;
  double eta_ = 0;
  std::vector<std::string> decisions_;
};

}  // namespace ndcao
