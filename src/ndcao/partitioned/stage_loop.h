// What every stage of a partitioned run does, whatever it probes: it follows the journal, takes
// messages, and goes on until the journal says that the run has ended. One thread calls it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "ndcao/base/result.h"
#include "ndcao/evaluate/evaluator.h"
#include "ndcao/journal/channel.h"
#include "ndcao/journal/journal.h"
#include "ndcao/partitioned/stage_sender.h"

namespace ndcao {

/// Who else is at work, as a stage knows it.
struct StagePeers {
  std::uint64_t epoch = 0;   ///< 0: some stage is missing; another number whenever one came anew.
  WorkerId last_worker = 0;  ///< The number of the last stage.
};

/// What a stage is told, whatever it probes.
struct StageSetting {
  std::uint32_t stage = 1;  ///< From 1.
  std::uint32_t stages = 2;
  std::uint64_t outputs = 1;           ///< Values that it hands on for one example.
  std::uint64_t widest = 1;            ///< The most that any stage does.
  std::string name = "stage";          ///< Of the process, for people.
  std::chrono::milliseconds delay{0};  ///< For tests: every trial or batch takes this much longer.
  std::string end_note;                ///< The note of the mark that ends the run.
  /// Called often. An error ends the stage.
  std::function<Status()> tick;
  std::function<StagePeers()> peers;
  /// Called once this stage has its number.
  std::function<void(WorkerId)> on_join;
  std::function<bool()> stop_requested;
};

struct StageResult {
  bool cancelled = false;
  std::optional<Score> score;        ///< The final one, if the last stage measured it in this life.
  std::optional<MarkRecord> ending;  ///< The mark that ended the run.
  double seconds = 0;
  StageTraffic traffic;
  std::uint64_t repeats = 0;  ///< Trials sent again, or times that the run went back (stage 1).
};

class StageLoop {
 public:
  virtual ~StageLoop() = default;

  /// Until the journal says that the run has ended, a stop is asked for, or an error.
  Result<StageResult> Run();

 protected:
  /// The references outlive it.
  StageLoop(Journal& journal, Channel& channel, const StageSetting& setting)
      : journal_(journal),
        channel_(channel),
        setting_(setting),
        sender_(channel, setting.stage, setting.stages) {}

  /// How far the journal has been folded, and how many joins were among it.
  virtual Offset next_offset() const = 0;
  virtual WorkerId joins() const = 0;
  virtual Status FoldEntry(const Entry& entry) = 0;
  /// This stage has got its number.
  virtual Status Joined() = 0;
  /// What is to be done without a message. True if there may be more of it at once.
  virtual Result<bool> Work() = 0;
  /// A message to this stage; it lies in `bytes`.
  virtual Status Handle(const StageMessage& message, std::vector<std::byte> bytes) = 0;
  virtual std::uint64_t repeats() const = 0;

  /// Reads on until this stage's join is folded, which gives its number.
  Status Join();
  Status CatchUp(std::chrono::milliseconds wait);
  /// Notes the end, if the entry is it.
  void CheckEnd(const Entry& entry);
  bool StopRequested() const { return setting_.stop_requested && setting_.stop_requested(); }
  /// Journals the mark that ends the run.
  Status EndRun(const Score& score, std::uint64_t image_forwards);
  double Seconds() const;

  Journal& journal_;
  Channel& channel_;
  const StageSetting& setting_;
  StageSender sender_;
  WorkerId worker_ = 0;
  bool ended_ = false;

 private:
  Status Step();

  std::optional<Score> score_;
  std::optional<MarkRecord> ending_;
  std::chrono::steady_clock::time_point start_;
};

}  // namespace ndcao
