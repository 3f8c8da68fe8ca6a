// CAO, the algorithm of the family that this project comes from, kept as its reference:
//   E. B. Kosmatopoulos, "An adaptive optimization scheme with satisfactory transient
//     performance", Automatica 45(3), 2009;
//   E. B. Kosmatopoulos and A. Kouvelas, "Large scale nonlinear control system fine-tuning through
//     learning", IEEE Transactions on Neural Networks 20(6), 2009;
//   A. Ch. Kapoutsis, S. A. Chatzichristofis, E. B. Kosmatopoulos, "A distributed, plug-n-play
//     algorithm for multi-robot applications with a priori non-computable objective functions",
//     IJRR 2019, arXiv 2111.07441.
//
// A block fits an estimator of the global performance to the last T pairs (its own parameters,
// global performance), draws N candidates around its best point so far, and goes to the one that
// the estimator likes best. One evaluation serves all blocks: each group's loss at the centre is
// measured where the blocks' proposals place them. For small blocks and expensive objectives
// without noise: a window of T points spans T directions.
//
// Block by block (CaoOptions::coordinate), a group has one evaluation more for each block, with
// that block at its previous point: J_i changes by what the block's own move changed, all else
// equal.
//
// The optimizer looks after one block; its slice rests at the centre, and stands at the candidate
// during a group.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "ndcao/block/block_optimizer.h"
#include "ndcao/block/cao_estimator.h"
#include "ndcao/block/cao_history.h"

namespace ndcao {

class CaoOptimizer : public BlockOptimizer {
 public:
  CaoOptimizer(const BlockOptions& options, CohortContext context, std::span<const float> initial);

  std::shared_ptr<const Proposal> Propose(TrialId trial, double progress) const override;
  /// J is the group's loss at the centre (the mean of its losses where no centre is measured). One
  /// that is not finite, or that was measured at a version too old to be known, teaches nothing.
  void Observe(const GroupObservation& group, std::span<const float> theta, std::span<float> target,
               Executor& executor) override;
  void Save(ByteWriter& out) const override;
  void Load(ByteReader& in) override;
  std::vector<Statistic> Statistics() const override;

 private:
  /// Where to go next, and the monomials worth keeping.
  struct Choice {
    CaoPoint point;
    std::vector<Monomial> kept;
  };
  struct Fitted {
    std::unique_ptr<CaoEstimate> estimate;  // none while there is too little to fit
    std::vector<Monomial> kept;
  };

  /// A choice that was proposed and awaits its group's losses, lest it be made again.
  struct Proposed {
    TrialId trial;
    std::uint64_t count;  // entries that were known
    Choice choice;
  };

  Choice TakeProposed(std::span<const CaoEntry> known, TrialId trial);
  // All of these are functions of what was known, and of the trial.
  Choice Choose(std::span<const CaoEntry> known, TrialId trial) const;
  CaoPoint Centre(std::span<const CaoEntry> known) const;
  double Step(std::span<const CaoEntry> known) const;
  Fitted Fit(std::span<const CaoEntry> known, const std::vector<float>& centre, double step,
             TrialId trial) const;
  std::vector<double> BestOffset(const CaoEstimate* estimate, TrialId trial,
                                 std::size_t size) const;
  void DrawCandidate(TrialId trial, std::uint32_t candidate, std::span<double> u) const;

  float Performance(std::span<const CaoEntry> known, const GroupObservation& group) const;
  void MoveToCentre(std::span<float> target);

  BlockOptions options_;
  CohortContext context_;
  std::uint64_t key_;  // of the block's draws
  CaoPoint start_;
  double first_step_;  // α(0)
  CaoHistory history_;
  std::vector<float> rest_;                 // where the slice of θ is, after all moves
  mutable std::vector<Proposed> proposed_;  // the last few, oldest first; no part of the state
};

}  // namespace ndcao
