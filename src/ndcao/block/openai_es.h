// OpenAI-ES: T. Salimans, J. Ho, X. Chen, S. Sidor, I. Sutskever, "Evolution strategies as a
// scalable alternative to reinforcement learning", arXiv 1703.03864, 2017. Antithetic Gaussian
// perturbations of σ = 0.02, centred ranks of the losses, Adam. Their weight decay is left out.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "ndcao/block/adam_moments.h"
#include "ndcao/block/block_optimizer.h"
#include "ndcao/random/perturbation_stream.h"

namespace ndcao {

class OpenAiEsOptimizer : public BlockOptimizer {
 public:
  OpenAiEsOptimizer(const BlockOptions& options, CohortContext context);

  std::shared_ptr<const Proposal> Propose(TrialId trial, double progress) const override;
  /// A group with fewer than two finite pairs teaches nothing.
  void Observe(const GroupObservation& group, std::span<const float> theta, std::span<float> target,
               Executor& executor) override;
  void Save(ByteWriter& out) const override;
  void Load(ByteReader& in) override;
  std::vector<Statistic> Statistics() const override;

 private:
  BlockOptions options_;
  CohortContext context_;
  PerturbationStream stream_;
  AdamMoments moments_;
  double rate_ = 0;  // of the last group
};

}  // namespace ndcao
