// A block that does not learn: its parameters stay where they are, in every evaluation.
#pragma once

#include <memory>
#include <span>
#include <utility>

#include "ndcao/block/block_optimizer.h"
#include "ndcao/block/perturbing.h"

namespace ndcao {

class FrozenOptimizer : public BlockOptimizer {
 public:
  explicit FrozenOptimizer(CohortContext context) : context_(std::move(context)) {}

  std::shared_ptr<const Proposal> Propose(TrialId, double) const override {
    return std::make_shared<StillProposal>(&context_.slice);
  }
  void Observe(const GroupObservation&, std::span<const float>, std::span<float>,
               Executor&) override {}
  void Save(ByteWriter&) const override {}
  void Load(ByteReader&) override {}

 private:
  CohortContext context_;
};

}  // namespace ndcao
