// One stage of a partitioned run at work (docs/partitioned.md): folds the journal into its own
// slice, forwards activations, and, first or last, begins trials or measures losses.
//
//   StageWorker worker(journal, replica, network, channel, options);
//   worker.BeFirst(data);                 // in stage 1
//   worker.BeLast(objective, classes);    // in the last
//   NDCAO_ASSIGN(StageResult result, worker.Run());
//
// One thread calls it.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "ndcao/base/result.h"
#include "ndcao/data/dataset.h"
#include "ndcao/evaluate/objective.h"
#include "ndcao/journal/channel.h"
#include "ndcao/journal/journal.h"
#include "ndcao/partitioned/loss_sink.h"
#include "ndcao/partitioned/stage_forward.h"
#include "ndcao/partitioned/stage_sender.h"
#include "ndcao/partitioned/trial_source.h"
#include "ndcao/replica/replica.h"

namespace ndcao {

/// Who else is at work, as a stage knows it.
struct StagePeers {
  std::uint64_t epoch = 0;   ///< 0: some stage is missing; another number whenever one came anew.
  WorkerId last_worker = 0;  ///< The number of the last stage.
};

struct StageOptions {
  std::uint32_t stage = 1;  ///< From 1.
  std::uint32_t stages = 2;
  std::uint64_t outputs = 1;           ///< Values that it hands on for one example.
  std::uint64_t widest = 1;            ///< The most that any stage does.
  std::string name = "stage";          ///< Of the process, for people.
  TrialSource::Pace pace;              ///< Of the first stage.
  std::chrono::milliseconds delay{0};  ///< For tests: every trial takes this much longer.
  std::string end_note;                ///< The note of the mark that ends the run.
  /// Called often. An error ends the stage.
  std::function<Status()> tick;
  std::function<StagePeers()> peers;
  /// Called once this stage has its number.
  std::function<void(WorkerId)> on_join;
  std::function<void(const Replica&, const Entry&)> on_entry;
  std::function<bool()> stop_requested;
};

struct StageResult {
  bool cancelled = false;
  std::optional<Score> score;  ///< The final one, if the last stage measured it in this life.
  double seconds = 0;
  StageTraffic traffic;
  std::uint64_t repeats = 0;  ///< Trials sent again (first stage).
};

class StageWorker {
 public:
  /// All outlive it. `replica` holds the stage's part and may be behind the journal.
  StageWorker(Journal& journal, Replica& replica, StageNetwork& network, Channel& channel,
              StageOptions options);

  void BeFirst(const Dataset& data);
  void BeLast(const Objective& objective, std::uint64_t classes);

  /// Until the journal says that the run has ended, a stop is asked for, or an error.
  Result<StageResult> Run();

 private:
  Status Join();
  Status CatchUp(std::chrono::milliseconds wait);
  Status FoldEntry(const Entry& entry);
  Status Step();
  Result<bool> SendNext();
  Status Handle(std::span<const std::byte> bytes);
  Status TakeActivations(const StageMessage& message);
  Status Answer(const StageMessage& message, std::span<const float> outputs);
  Status AppendGroup(GroupRecord group);
  Status EndRun(const Score& score);
  Status AwaitRound(const StageMessage& message);
  double Seconds() const;

  Journal& journal_;
  Replica& replica_;
  StageOptions options_;
  Channel& channel_;
  StageForward forward_;
  StageSender sender_;
  const Dataset* data_ = nullptr;
  std::optional<TrialSource> source_;
  std::optional<LossSink> sink_;
  WorkerId worker_ = 0;
  std::uint64_t epoch_ = 0;
  TrialId delayed_;
  bool ended_ = false;
  std::optional<Score> score_;
  std::chrono::steady_clock::time_point start_;
};

}  // namespace ndcao
