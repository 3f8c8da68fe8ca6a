// One stage of a partitioned run that probes weights, at work (docs/partitioned.md): folds the
// journal into its own slice, forwards activations, and, first or last, begins trials or measures
// losses.
//
//   StageWorker worker(journal, replica, network, channel, options);
//   worker.BeFirst(data);                 // in stage 1
//   worker.BeLast(objective, classes);    // in the last
//   NDCAO_ASSIGN(StageResult result, worker.Run());
#pragma once

#include <functional>
#include <optional>

#include "ndcao/base/result.h"
#include "ndcao/data/dataset.h"
#include "ndcao/evaluate/objective.h"
#include "ndcao/partitioned/loss_sink.h"
#include "ndcao/partitioned/stage_forward.h"
#include "ndcao/partitioned/stage_loop.h"
#include "ndcao/partitioned/trial_source.h"
#include "ndcao/replica/replica.h"

namespace ndcao {

struct StageOptions : StageSetting {
  TrialSource::Pace pace;  ///< Of the first stage.
  std::function<void(const Replica&, const Entry&)> on_entry;
};

class StageWorker : public StageLoop {
 public:
  /// All outlive it. `replica` holds the stage's part and may be behind the journal.
  StageWorker(Journal& journal, Replica& replica, StageNetwork& network, Channel& channel,
              const StageOptions& options);

  void BeFirst(const Dataset& data);
  void BeLast(const Objective& objective, std::uint64_t classes);

 private:
  Offset next_offset() const override { return replica_.next_offset(); }
  WorkerId joins() const override { return replica_.joins(); }
  Status FoldEntry(const Entry& entry) override;
  Status Joined() override;
  Result<bool> Work() override;
  Status Handle(const StageMessage& message, std::vector<std::byte> bytes) override;
  std::uint64_t repeats() const override { return source_ ? source_->repeats() : 0; }

  Status TakeActivations(const StageMessage& message);
  Status Answer(const StageMessage& message, std::span<const float> outputs);
  Status AppendGroup(GroupRecord group);
  Status AwaitRound(const StageMessage& message);

  Replica& replica_;
  const StageOptions& options_;
  StageForward forward_;
  const Dataset* data_ = nullptr;
  std::optional<TrialSource> source_;
  std::optional<LossSink> sink_;
  std::uint64_t epoch_ = 0;
  TrialId delayed_;
};

}  // namespace ndcao
