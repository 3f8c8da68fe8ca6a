// PGPE: F. Sehnke, C. Osendorfer, T. Rückstieß, A. Graves, J. Peters, J. Schmidhuber,
// "Parameter-exploring policy gradients", Neural Networks 23(4), 2010, with symmetric sampling, in
// the form that is used today (N. Toklu, P. Liskowski, R. K. Srivastava, PPSN 2020, and evojax):
// losses become centred ranks r, Adam moves the centre, and every parameter has a deviation s of
// its own, which follows the pairs' mean ranks:
//   g  = mean over pairs of (r⁺ − r⁻)/2 · s e
//   s ← s · (1 − clip(rate_s · mean over pairs of ((r⁺ + r⁻)/2)(e² − 1), ±0.2))
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "ndcao/block/adam_moments.h"
#include "ndcao/block/block_optimizer.h"
#include "ndcao/block/pairs.h"
#include "ndcao/random/perturbation_stream.h"

namespace ndcao {

class PgpeOptimizer : public BlockOptimizer {
 public:
  PgpeOptimizer(const BlockOptions& options, CohortContext context);

  std::shared_ptr<const Proposal> Propose(TrialId trial, double progress) const override;
  /// A group with fewer than two finite pairs teaches nothing. A late group is read with the
  /// deviations of today, which differ little from those that it was measured with.
  void Observe(const GroupObservation& group, std::span<const float> theta, std::span<float> target,
               Executor& executor) override;
  void Save(ByteWriter& out) const override;
  void Load(ByteReader& in) override;
  std::vector<Statistic> Statistics() const override;

 private:
  using Deviations = std::vector<float>;  // packed in the order of the slice

  void LearnPiece(const std::vector<LossPair>& ranks, TrialId trial, const Run& run,
                  std::uint64_t packed, Deviations& next, std::span<float> target);

  BlockOptions options_;
  CohortContext context_;
  PerturbationStream stream_;
  AdamMoments moments_;
  std::shared_ptr<const Deviations> deviations_;  // never changed: proposals hold them
  double rate_ = 0;                               // of the last group
};

}  // namespace ndcao
