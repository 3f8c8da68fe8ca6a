// What a stage of a partitioned run stands on, whatever it probes: its file, its place on the
// server, the run's journal, and the channel to the other stages.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "ndcao/base/result.h"
#include "ndcao/cli/run_beat.h"
#include "ndcao/cli/run_location.h"
#include "ndcao/cli/stage_claim.h"
#include "ndcao/cli/stage_files.h"
#include "ndcao/data/dataset.h"
#include "ndcao/evaluate/objective.h"
#include "ndcao/journal/nats/run_server.h"
#include "ndcao/partitioned/stage_loop.h"
#include "ndcao/replica/run_spec.h"

namespace ndcao {

struct StageFlags {
  std::string file;
  std::string out;
  RunLocation location;
  std::string data_dir;
  std::uint32_t window = 16;
  double snapshot_seconds = 20;
  double delay_ms = 0;
  bool json = false;
  bool quiet = false;
};

class StageHost {
 public:
  explicit StageHost(const StageFlags& flags) : flags_(flags) {}
  ~StageHost() { beat_.Leave(); }

  /// Reads the file, meets the server, checks that the run there is of the same split (or begins
  /// it), and takes the stage's place.
  Status Open();

  const StageFlags& flags() const { return flags_; }
  const std::string& run() const { return flags_.location.run; }
  const StageHead& head() const { return stage_.head; }
  const RunSpec& spec() const { return spec_; }
  /// Where snapshots are.
  const std::string& kept() const { return kept_; }
  bool first() const { return head().stage == 1; }
  bool last() const { return head().stage == head().stages; }
  RunServer& server() { return *server_; }
  Channel& channel() { return *channel_; }
  /// The initial parameters; given away once, then read again.
  Result<ParameterVector> TakeValues();

  /// The journal from record 0 on, which is there from now on.
  Result<std::unique_ptr<NatsJournal>> OpenJournal();
  /// kCorrupt if what was built has not the file's number of parameters.
  Status CheckParameters(std::size_t built) const;
  /// Of the first stage and of the last; null in the others.
  Result<std::shared_ptr<const Dataset>> LoadData() const;
  Result<std::unique_ptr<Objective>> LoadObjective() const;

  void Fill(StageSetting& setting);
  /// Tells the server how far the stage is; called often.
  void Beat(SessionProgress progress);
  /// What to answer if the stage has failed or was stopped; nothing if its run has ended.
  std::optional<Result<int>> Broken(const Result<StageResult>& result) const;
  /// What both kinds of stages say at the end. `resident`: parameters that the stage holds.
  nlohmann::ordered_json Describe(const StageResult& result, std::size_t resident) const;
  /// Prints it, or a line for people.
  void Print(const nlohmann::ordered_json& json) const;

 private:
  Status CheckRun();

  const StageFlags& flags_;
  StageFile stage_;
  RunSpec spec_;
  std::string kept_;
  std::string name_;  // that it joins and publishes with
  std::unique_ptr<RunServer> server_;
  std::unique_ptr<StageClaim> claim_;
  std::unique_ptr<Channel> channel_;
  RunBeat beat_;
};

/// Train the stage until the run ends; the exit code.
Result<int> TrainWeightStage(StageHost& host);
Result<int> TrainActivationStage(StageHost& host);

}  // namespace ndcao
