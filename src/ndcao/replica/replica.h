// The fold: θ and every block's optimizer, as a function of the records so far.
//
// No clock, thread, file or network: entries of the journal go in, one after another, and the same
// entries give the same bits on every machine. One thread at a time may call the methods that are
// not const; a Trial that was taken stays valid and constant while the fold goes on.
//
//   auto replica = Replica::Create(spec, layout, initial).value();
//   replica.Apply(entry, executor);                  // exactly at next_offset()
//   Trial trial = replica.NewTrial(id);              // at the present version of θ
//   trial.Materialize(k, out);                       // evaluation k's parameters
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "ndcao/base/executor.h"
#include "ndcao/base/result.h"
#include "ndcao/block/block_optimizer.h"
#include "ndcao/journal/record.h"
#include "ndcao/params/layout.h"
#include "ndcao/params/parameter_vector.h"
#include "ndcao/params/partition.h"
#include "ndcao/replica/audit_ledger.h"
#include "ndcao/replica/block_clocks.h"
#include "ndcao/replica/run_spec.h"

namespace ndcao {

/// One group of evaluations to be done: everything a worker needs, immutable.
struct Trial {
  TrialId id;
  Offset base = 0;                               ///< θ was folded up to this offset (exclusive).
  std::uint64_t base_chain = 0;                  ///< The hash chain there.
  std::shared_ptr<const ParameterVector> point;  ///< Where the blocks stand.
  std::vector<std::shared_ptr<const Proposal>> proposals;

  /// Writes evaluation k's parameters to `out`, all d of them.
  void Materialize(std::uint32_t k, std::span<float> out) const;
  /// The same, from evaluation k − 1's parameters in `out`: less work where k is its mirror image.
  void MaterializeNext(std::uint32_t k, std::span<float> out) const;
  /// The distance of every evaluation's parameters from `point`, if it is the same for all that
  /// move.
  std::optional<float> step() const;
};

/// What a record came to.
enum class Outcome {
  kFolded,     ///< Taken in.
  kDuplicate,  ///< A group whose trial was taken in before, or that no round waits for.
  kStale,      ///< A group from too many groups ago.
  kForeign,    ///< A group whose writer had seen another history.
  kUnwanted,   ///< An audit that nobody waits for.
  kExcluded,   ///< Of a worker whose losses were found wrong.
};

/// Where a synchronous run stands.
struct RoundView {
  std::uint64_t round = 0;
  std::vector<std::uint32_t> open_slots;  ///< In increasing order.
};

/// Counts over the run so far.
struct ReplicaCounters {
  std::uint64_t groups = 0;          ///< Accepted.
  std::uint64_t image_forwards = 0;  ///< Of accepted groups.
  std::uint64_t evaluations = 0;     ///< Losses of accepted groups, centres included.
  std::uint64_t duplicates = 0;
  std::uint64_t stale = 0;
  std::uint64_t foreign = 0;
  std::uint64_t excluded = 0;               ///< Groups of workers whose losses were found wrong.
  std::uint64_t image_forwards_wasted = 0;  ///< Of groups that were not accepted.
  std::uint64_t barren = 0;                 ///< Accepted groups without a single finite loss.
};

class Replica {
 public:
  /// A fresh replica. With `part`, it holds these parameters and no others, packed: one block, or
  /// a stage of a partitioned run; `initial` is that slice then, otherwise all of θ. Every
  /// parameter moves as it does in a whole replica, bit for bit. kInvalid for blocks of `cao`,
  /// whose state belongs to the whole block, if `part` holds a piece of one.
  static Result<Replica> Create(const RunSpec& spec, const Layout& layout, ParameterVector initial,
                                const std::optional<Slice>& part = std::nullopt);

  Replica(Replica&&) = default;
  Replica& operator=(Replica&&) = default;

  /// Folds the entry at next_offset(). kCorrupt if a journaled digest disagrees with this replica.
  Result<Outcome> Apply(const Entry& entry, Executor& executor);

  Offset next_offset() const { return next_offset_; }
  std::uint64_t chain() const { return chain_; }
  /// θ as it is now (or the part of it that is held). Copy on write: holders keep their version.
  std::shared_ptr<const ParameterVector> parameters() const { return theta_; }
  std::string digest() const;

  /// The budget is used up: no group is wanted any more.
  bool done() const;
  /// T: groups in the budget, at least 1.
  double horizon() const;
  std::uint64_t budget() const { return budgets_.back().image_forwards; }
  RoundView round() const;
  /// The part of the budget that is used up, 0 to 1.
  double progress() const;
  /// A group at θ as it is now; with `base`, with the perturbations of one that was proposed there.
  Trial NewTrial(TrialId id, std::optional<Offset> base = std::nullopt) const;

  const RunSpec& spec() const { return spec_; }
  const Partition& partition() const { return partition_; }
  const ReplicaCounters& counters() const { return counters_; }
  WorkerId joins() const { return joins_; }
  /// Accepted groups since the base of the last accepted one: how late it came.
  std::uint64_t last_staleness() const { return last_staleness_; }
  /// Statistics of every cohort, with its blocks' names.
  struct CohortView {
    std::string optimizer;
    std::vector<BlockId> blocks;
    std::vector<Statistic> statistics;
  };
  std::vector<CohortView> cohorts() const;
  /// The audits of a run that has them, else null.
  const AuditLedger* audits() const { return audits_ ? &*audits_ : nullptr; }
  /// What guards and audits decided since the last call.
  std::vector<std::string> TakeDecisions();

  /// A digest is taken after every this many accepted groups, by every replica alike.
  static constexpr std::uint64_t kDigestEvery = 256;
  /// The newest digest taken, and after how many groups; none before the first.
  std::optional<DigestRecord> newest_digest() const;

  /// The whole state as bytes; Restore makes a replica that goes on bit for bit.
  std::vector<std::byte> Snapshot() const;
  static Result<Replica> Restore(const RunSpec& spec, const Layout& layout,
                                 std::span<const std::byte> snapshot,
                                 const std::optional<Slice>& part = std::nullopt);

 private:
  struct Cohort {
    BlockOptions options;
    std::vector<BlockId> blocks;
    std::vector<std::size_t> slices;  ///< Theirs, in block_slices_.
    std::unique_ptr<BlockOptimizer> optimizer;
  };
  // Positions of the fold that a group may be based on: more than any staleness limit, with room
  // for the records between groups.
  static constexpr std::size_t kPositions = 16384;
  /// A past position of the fold: what groups evaluated there are checked against.
  struct Position {
    Offset offset = 0;
    std::uint64_t chain = 0;
    std::uint64_t groups = 0;
    std::uint64_t version = 0;
  };
  /// The budget of the positions from this one on.
  struct BudgetChange {
    Offset from = 0;
    std::uint64_t image_forwards = 0;
  };

  Replica(RunSpec spec, Partition partition)
      : spec_(std::move(spec)), partition_(std::move(partition)) {}

  Status BuildCohorts(const Slice& held, std::uint64_t parameters);
  CohortContext ContextOf(const Cohort& cohort) const;
  Result<Outcome> ApplyRecord(const Entry& entry, Executor& executor);
  Outcome ApplyGroup(const GroupRecord& group, Executor& executor);
  Outcome ApplyAudit(const AuditRecord& audit);
  bool Excluded(WorkerId worker) const { return audits_ && audits_->Excluded(worker); }
  Outcome ApplySyncGroup(const GroupRecord& group, const Position& base, Executor& executor);
  Outcome ApplyAsyncGroup(const GroupRecord& group, const Position& base, Executor& executor);
  void FinishRound(Executor& executor);
  /// The group as the blocks hear of it; from now on it is one of the accepted ones.
  GroupObservation Count(const GroupRecord& group, const Position& base);
  void Observe(std::span<const GroupObservation> groups, std::span<float> target,
               Executor& executor);
  Status CheckDigest(const DigestRecord& digest) const;
  bool PositionsFit() const;
  std::optional<Position> FindPosition(Offset base, std::uint64_t chain) const;
  void Advance(std::uint64_t record_hash);
  double HorizonOf(std::uint64_t budget) const;
  /// progress() as it was at a position.
  double ProgressAt(const Position& position) const;
  std::span<float> MutableTheta();

  RunSpec spec_;
  Partition partition_;
  std::vector<Cohort> cohorts_;
  std::vector<Slice> block_slices_;  // of the blocks held, in this storage, for their clocks
  std::uint64_t parameters_ = 0;     ///< Of the whole network.
  std::shared_ptr<ParameterVector> theta_;
  ParameterVector pending_;  // moves not made yet: asynchronous runs with clocks
  std::optional<BlockClocks> clocks_;
  std::optional<AuditLedger> audits_;

  Offset next_offset_ = 0;
  std::uint64_t chain_ = 0;
  std::uint64_t version_ = 0;  // of the optimizers' state: rounds, or accepted groups
  std::vector<BudgetChange> budgets_;
  WorkerId joins_ = 0;
  std::uint64_t last_staleness_ = 0;
  bool whole_ = true;  // all of θ is held, so that it has a digest
  std::vector<std::optional<std::pair<GroupRecord, Position>>> slots_;  // of the current round
  std::deque<Position> positions_;
  std::set<TrialId> recent_trials_;  // asynchronous runs: accepted lately
  std::deque<TrialId> recent_order_;
  std::deque<DigestRecord> digests_;
  ReplicaCounters counters_;
};

}  // namespace ndcao
