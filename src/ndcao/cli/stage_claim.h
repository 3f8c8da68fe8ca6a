// One host per stage: a claim on the server, renewed every second, and who else holds one.
#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "ndcao/base/result.h"
#include "ndcao/journal/nats/run_server.h"
#include "ndcao/partitioned/stage_worker.h"

namespace ndcao {

class StageClaim {
 public:
  /// Takes the place, also from a holder that does not renew its claim any more. kConflict, naming
  /// the holder, if somebody does. `server` outlives it.
  static Result<std::unique_ptr<StageClaim>> Take(RunServer& server, const std::string& run,
                                                  std::uint32_t stage, std::uint32_t stages);
  /// Gives it back.
  ~StageClaim();

  /// Says that the stage is at work, under this number.
  void SetWorker(WorkerId worker);
  /// As this stage sees the others.
  StagePeers peers() const;
  /// kConflict if somebody else has taken the place; kFailed if a stage is missing for `patience`.
  Status Check(std::chrono::milliseconds patience);

 private:
  using Clock = std::chrono::steady_clock;
  struct Peer {
    std::uint64_t revision = 0;
    Clock::time_point renewed;
    std::uint64_t life = 0;
    std::optional<WorkerId> worker;
  };

  StageClaim(RunServer& server, const std::string& run, std::uint32_t stage, std::uint32_t stages);
  Status TakePlace();
  std::string Text() const;
  void BeatLoop(std::stop_token stop);
  Status Renew();
  /// Writes our claim over the one of this revision; false if the place is somebody else's.
  Result<bool> PutOurs(std::uint64_t revision);
  Status Look();

  RunServer& server_;
  const std::string run_;
  const std::uint32_t stage_;
  const std::uint32_t stages_;
  const std::uint64_t life_;
  std::uint64_t revision_ = 0;  // of our claim; the beating thread's

  mutable std::mutex mutex_;  // guards what follows
  std::optional<WorkerId> worker_;
  std::map<std::uint32_t, Peer> peers_;
  std::set<std::uint32_t> missing_;
  Clock::time_point complete_;  // when nobody was missing
  std::optional<Error> error_;

  std::set<std::uint32_t> told_;  // missing stages that were mentioned
  std::jthread beat_;
};

}  // namespace ndcao
