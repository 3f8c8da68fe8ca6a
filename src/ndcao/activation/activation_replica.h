// A run whose blocks probe activations: θ, every block's optimizer and estimators, as a function of
// the sums that each step measures. No clock, thread, file or network; unlike Replica it is fed
// what passes by in forward passes, which is not journaled, so it is restored from snapshots.
//
//   auto replica = ActivationReplica::Create(spec, layout, initial, sites).value();
//   while (!replica.done()) replica.Observe(measured, executor);
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ndcao/activation/input_factor.h"
#include "ndcao/activation/local_adam.h"
#include "ndcao/activation/output_moment.h"
#include "ndcao/activation/probe_sums.h"
#include "ndcao/activation/site_estimator.h"
#include "ndcao/base/executor.h"
#include "ndcao/base/result.h"
#include "ndcao/block/block_optimizer.h"
#include "ndcao/params/layout.h"
#include "ndcao/params/parameter_vector.h"
#include "ndcao/params/partition.h"
#include "ndcao/replica/block_clocks.h"
#include "ndcao/replica/run_spec.h"

namespace ndcao {

/// Where a network is probed, as far as the arithmetic cares.
struct SiteTable {
  std::vector<SiteShape> sites;
  std::size_t features = 0;         ///< r
  std::vector<std::size_t> probed;  ///< Tensors with a site; the others are probed by weights.
  std::vector<double>
      paces;  ///< Of these, rates relative to the others' if estimators are learned; empty: 1.
  std::uint32_t elsewhere = 0;  ///< Sites that other stages of a partitioned run probe.
};

/// Of every site, of every input factor: its inverse, empty if there is none yet.
using SiteInverses = std::vector<std::vector<std::span<const float>>>;

/// A group of evaluations for the parameters that are probed by weights.
struct FallbackGroup {
  static constexpr std::uint32_t kEvaluations = 64;
  static constexpr std::uint32_t kBatch = 32;

  TrialId trial;
  std::shared_ptr<const Proposal> proposal;
};

struct ActivationCounters {
  std::uint64_t steps = 0;
  std::uint64_t groups = 0;  ///< Of the fallback.
  std::uint64_t image_forwards = 0;
  std::uint64_t evaluations = 0;  ///< Mean losses: of clean passes, probes and groups.
  std::uint64_t barren = 0;       ///< Steps in a row without a single finite loss.
};

class ActivationReplica {
 public:
  static Result<ActivationReplica> Create(const RunSpec& spec, const Layout& layout,
                                          ParameterVector initial, const SiteTable& sites);
  /// Of `held` alone, whose values `initial` has, packed: a stage of a partitioned run. `sites` are
  /// those of the stage.
  static Result<ActivationReplica> Create(const RunSpec& spec, const Layout& layout,
                                          ParameterVector initial, const SiteTable& sites,
                                          const Slice& held);
  /// From what Snapshot returned. kCorrupt if it is of another network, or of another part of it.
  static Result<ActivationReplica> Restore(const RunSpec& spec, const Layout& layout,
                                           const SiteTable& sites,
                                           std::span<const std::byte> snapshot);
  static Result<ActivationReplica> Restore(const RunSpec& spec, const Layout& layout,
                                           const SiteTable& sites, const Slice& held,
                                           std::span<const std::byte> snapshot);
  std::vector<std::byte> Snapshot() const;
  /// θ and the counters alone.
  static Result<std::pair<ParameterVector, ActivationCounters>> Read(
      std::span<const std::byte> snapshot);

  const ParameterVector& parameters() const { return theta_; }
  std::string digest() const;
  const Partition& partition() const { return partition_; }
  const ActivationCounters& counters() const { return counters_; }
  /// kFailed once no loss of many batches in a row was finite.
  Status CheckLosses() const;
  /// Running mean of the clean passes' losses; NaN before the first.
  double train_loss() const;
  const std::vector<SiteEstimator>& estimators() const { return estimators_; }
  std::vector<float> whitener() const { return moment_.Whitener(); }
  /// Of every site, its input factors' inverses.
  SiteInverses input_inverses() const;

  void set_budget(std::uint64_t image_forwards) { budget_ = image_forwards; }
  std::uint64_t budget() const { return budget_; }
  /// Steps in the budget; the rate falls to 0 over them.
  std::uint64_t horizon() const;
  bool done() const { return counters_.steps >= horizon(); }
  double rate() const;
  /// Where the parameters will be when `late` batches under way have been learned from, as far as
  /// the last move tells; with clocks, where they are. For stages, which measure that much ahead.
  ParameterVector Ahead(std::uint64_t late) const;
  /// Image-forwards of a step, without the fallback's.
  std::uint64_t step_cost() const { return step_cost_; }
  /// The image-forwards of so many steps, the fallback's included.
  std::uint64_t CostOf(std::uint64_t steps) const;

  /// One step: the sums of all slots of the batch, in their order. Their gradients are used up.
  void Observe(std::span<ProbeSums> slots, Executor& executor);

  /// The group that the next step begins with, if there are parameters without a site and it is
  /// time for one; its losses go to ObserveGroup before the step's own sums go to Observe.
  std::optional<FallbackGroup> NextGroup() const;
  void ObserveGroup(const FallbackGroup& group, float centre, std::span<const float> losses,
                    Executor& executor);
  bool has_fallback() const { return fallback_ != nullptr; }

 private:
  /// Parameters that move alike.
  struct PacedRun {
    Run run;
    double pace = 1;
  };
  struct SitedFactor {
    std::size_t site = 0;
    std::size_t index = 0;  ///< Among those of the site.
    InputFactor factor;
  };
  struct TrainedBlock {
    std::vector<PacedRun> runs;  ///< Its parameters that have a site.
    std::uint64_t steps = 0;
    std::uint64_t pending = 0;  ///< Batches since it moved.
  };

  ActivationReplica(const RunSpec& spec, ParameterVector initial, Partition partition,
                    const SiteTable& sites);
  std::vector<PacedRun> Paced(const std::vector<Run>& runs, const Layout& layout,
                              const SiteTable& sites) const;
  Status CreateBlocks(const Layout& layout, const SiteTable& sites, const Slice& held);
  std::uint64_t interval() const;
  double FallbackHorizon() const;
  double FallbackProgress() const;
  void LearnAndMove(std::span<ProbeSums> slots, Executor& executor);
  void LearnEstimator(std::size_t i, std::span<const ProbeSums> slots);
  void LearnInputs(std::size_t i, std::span<const ProbeSums> slots);
  void MoveDue(std::span<const ProbeSums> slots);

  RunSpec spec_;
  Partition partition_;
  std::uint64_t budget_ = 0;
  std::uint64_t step_cost_ = 0;
  ParameterVector theta_;
  LocalAdam adam_;
  OutputMoment moment_;
  std::vector<SiteEstimator> estimators_;
  std::vector<SitedFactor> inputs_;  ///< Site by site.
  std::vector<TrainedBlock> blocks_;
  std::vector<PacedRun> together_;  ///< The trained parameters of all blocks, in pieces.
  std::optional<BlockClocks> clocks_;
  ParameterVector pending_;  ///< Sums of blocks that wait for their clocks.
  std::unique_ptr<BlockOptimizer> fallback_;
  ActivationCounters counters_;
  double loss_ = 0;
  double loss_weight_ = 0;
};

}  // namespace ndcao
