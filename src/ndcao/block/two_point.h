// Gradient descent on two-point differences: what SPSA and MeZO have in common. They differ in the
// distribution of the perturbation and in their constants.
//
//   g = mean over pairs of (L(θ + σe) − L(θ − σe)) / 2σ · e,    θ ← θ − rate · schedule · g
//
// No state but what it reports: perturbations are regenerated from their keys.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "ndcao/block/block_optimizer.h"
#include "ndcao/random/perturbation_stream.h"

namespace ndcao {

class TwoPointOptimizer : public BlockOptimizer {
 public:
  TwoPointOptimizer(const BlockOptions& options, CohortContext context, Distribution distribution);

  std::shared_ptr<const Proposal> Propose(TrialId trial, double progress) const override;
  void Observe(const GroupObservation& group, std::span<const float> theta, std::span<float> target,
               Executor& executor) override;
  void Save(ByteWriter& out) const override;
  void Load(ByteReader& in) override;
  std::vector<Statistic> Statistics() const override;

 private:
  BlockOptions options_;
  CohortContext context_;
  PerturbationStream stream_;
  double rate_ = 0;   // of the last group
  double slope_ = 0;  // mean |difference| / 2σ of the last group
};

}  // namespace ndcao
