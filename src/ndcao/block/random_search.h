// Random search: J. Matyas, "Random optimization", Automation and Remote Control 26, 1965. The
// group's candidates are θ + radius · N(0, I); the best of them is taken if it is below the loss at
// the centre, measured on the same examples. The radius follows the schedule's decay.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "ndcao/block/block_optimizer.h"
#include "ndcao/random/perturbation_stream.h"

namespace ndcao {

class RandomSearchOptimizer : public BlockOptimizer {
 public:
  RandomSearchOptimizer(const BlockOptions& options, CohortContext context);

  std::shared_ptr<const Proposal> Propose(TrialId trial, double progress) const override;
  /// Nothing is taken if the centre was not measured.
  void Observe(const GroupObservation& group, std::span<const float> theta, std::span<float> target,
               Executor& executor) override;
  void Save(ByteWriter& out) const override;
  void Load(ByteReader& in) override;
  std::vector<Statistic> Statistics() const override;

 private:
  double RadiusAt(double progress) const;

  CohortContext context_;
  PerturbationStream stream_;
  double first_radius_;
  double radius_ = first_radius_;  // of what is proposed now, to be shown
  double taken_ = 0;               // groups whose best candidate was taken
};

}  // namespace ndcao
