// One stage of a partitioned run that probes activations, at work (docs/partitioned.md): passes
// batches and their perturbed copies on, and learns when the last stage has told the losses. When a
// stage comes anew, all go back to the last state that all have kept, so that the run is the same
// whoever died.
//
//   ActivationWorker worker(journal, replica, network, channel, options);
//   worker.BeFirst(data);                 // in stage 1
//   worker.BeLast(objective, classes);    // in the last
//   NDCAO_ASSIGN(StageResult result, worker.Run());
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ndcao/activation/activation_replica.h"
#include "ndcao/data/batch_order.h"
#include "ndcao/data/dataset.h"
#include "ndcao/evaluate/activation_stage.h"
#include "ndcao/evaluate/objective.h"
#include "ndcao/partitioned/batch_losses.h"
#include "ndcao/partitioned/stage_file.h"
#include "ndcao/partitioned/stage_ledger.h"
#include "ndcao/partitioned/stage_loop.h"
#include "ndcao/partitioned/test_pieces.h"
#include "ndcao/replica/run_spec.h"

namespace ndcao {

/// The sites of a stage, as the arithmetic of a run sees them.
SiteTable StageTableOf(const ProbePlan& plan, const StageHead& head);

struct ActivationStageOptions : StageSetting {
  RunSpec spec;
  BatchFlow flow;
  /// Stage 1: without losses for so long everybody goes back; then after twice as long.
  std::chrono::milliseconds patience{10000};
  /// The steps after which this stage has kept its state, the newest first.
  std::function<std::vector<std::uint64_t>()> kept;
  /// Keeps this state and the newest of the others.
  std::function<Status(const ActivationReplica&)> keep;
  /// A state that was kept, or the beginning (0).
  std::function<Result<ActivationReplica>(std::uint64_t steps)> go_back;
  std::function<void(const ActivationReplica&)> on_step;
};

class ActivationWorker : public StageLoop {
 public:
  /// All outlive it. `replica` stands at the newest state that was kept.
  ActivationWorker(Journal& journal, ActivationReplica& replica, ActivationStage& network,
                   Channel& channel, const ActivationStageOptions& options);

  void BeFirst(const Dataset& data);
  void BeLast(const Objective& objective, std::uint64_t classes);

 private:
  using Clock = std::chrono::steady_clock;
  /// A message that waits for its turn.
  struct Held {
    std::vector<std::byte> bytes;
    StageMessage message;  // its payload lies there
  };

  Offset next_offset() const override { return ledger_.next_offset(); }
  WorkerId joins() const override { return ledger_.joins(); }
  Status FoldEntry(const Entry& entry) override;
  Status Joined() override;
  Result<bool> Work() override;
  Status Handle(const StageMessage& message, std::vector<std::byte> bytes) override;
  std::uint64_t repeats() const override { return repeats_; }

  Status AppendKept();
  Status CheckFit() const;
  Status GoBack();
  Status CheckTime();

  // Learning.
  std::uint64_t TargetOf(std::uint64_t step) const;
  bool AllHeard(std::uint64_t step) const;
  Status Advance();
  Status Learn();
  Status AppendMark();
  ProbeRequest RequestOf(const SlotName& slot) const;
  std::size_t ExamplesOf(std::uint32_t slot) const;

  // Passing on.
  bool MayPass(const StageMessage& message) const;
  void LoadParameters();
  Status Pass(const StageMessage& message);
  Status PassTest(const StageMessage& message);
  Status BeginSlot(const SlotName& slot, std::span<const float> input);
  Status HandOn(const SlotName& slot, std::optional<std::uint32_t> copy,
                std::span<const float> outputs);
  Status TellLosses(const SlotName& slot);
  void CountPart();
  Result<bool> SendNext();
  Status SendSlot(const SlotName& slot);
  Result<bool> SendTest();
  void TakeLabels(const StageMessage& message);

  ActivationReplica& replica_;
  ActivationStage& network_;
  const ActivationStageOptions& options_;
  const std::uint32_t copies_;      // of all stages, per slot
  const std::uint32_t first_copy_;  // of this stage's own
  const std::uint32_t own_copies_;
  StageLedger ledger_;
  Offset arrived_ = 0;  // where this life's first kept record is
  std::uint32_t generation_ = 0;
  std::string kept_digest_;  // of the newest state that was kept

  std::uint64_t next_ = 0;   // the batch that is being passed on
  std::uint32_t parts_ = 0;  // of it that have been: clean passes and copies of the stages before
  // Which parameters stand in the network: updates learned, and batches ahead of them.
  std::optional<std::pair<std::uint64_t, std::uint64_t>> loaded_;
  std::map<SlotName, HeardLosses> heard_;
  std::deque<Held> waiting_;  // activations, in their order
  std::deque<Held> early_;    // of a generation that the journal has not told yet
  std::vector<ProbeSums> sums_;

  const Dataset* data_ = nullptr;  // of the first stage
  std::optional<BatchOrder> order_;
  std::optional<TestSource> test_source_;
  std::uint32_t next_slot_ = 0;
  Clock::time_point heard_at_;
  std::chrono::milliseconds patience_;
  std::uint64_t repeats_ = 0;

  std::optional<TestSink> test_sink_;  // of the last
  std::uint64_t classes_ = 0;
  std::map<SlotName, std::vector<std::int32_t>> labels_;
  LossTable table_;
};

}  // namespace ndcao
