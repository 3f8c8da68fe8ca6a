// The first stage's part: which trials there are, which messages make them up, and what is under
// way. It keeps a bounded number of messages between itself and the last stage, and sends a trial
// again that is not answered.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <tuple>
#include <vector>

#include "ndcao/data/dataset.h"
#include "ndcao/partitioned/stage_forward.h"
#include "ndcao/partitioned/stage_sender.h"
#include "ndcao/partitioned/test_pieces.h"

namespace ndcao {

class TrialSource {
 public:
  struct Pace {
    std::uint32_t window = 16;  ///< Messages of activations under way.
    /// Without an answer for so long, everything under way is sent again; then after twice as long.
    std::chrono::milliseconds patience{2000};
  };

  /// All outlive it. `worker`: this life's number, which no other life has. `widest`: values that
  /// any stage hands on for one example. kInvalid if a batch does not fit the channel's messages.
  static Result<TrialSource> Create(const Replica& replica, const Dataset& data,
                                    StageForward& forward, StageSender& sender, WorkerId worker,
                                    std::uint64_t widest, const Pace& pace);

  /// Sends at most one message of activations; false if there is none to be sent now. Asynchronous
  /// trials are named after `last_worker`, who journals them.
  Result<bool> Send(WorkerId last_worker);

  /// kChosen and kArrived.
  void Take(const StageMessage& message);
  /// The trial's group has been folded.
  void Forget(TrialId trial);
  /// A stage has come anew: what was under way is lost.
  void SendAllAgain();
  /// How often trials were sent again.
  std::uint64_t repeats() const { return repeats_; }

 private:
  using Clock = std::chrono::steady_clock;
  struct Outgoing {
    std::uint32_t attempt = 0;
    bool begun = false;                 // the last stage has been told
    std::vector<std::uint32_t> pool;    // examples
    std::vector<std::uint32_t> chosen;  // of them; empty: not known yet
    std::uint16_t next_piece = 0;
    std::uint16_t next_evaluation = 0;
  };
  using Sent = std::tuple<TrialId, StageMessageKind, std::uint16_t>;

  TrialSource(const Replica& replica, const Dataset& data, StageForward& forward,
              StageSender& sender, WorkerId worker, std::uint32_t rows, const Pace& pace);

  void BeginTrials(WorkerId last_worker);
  void AddTrial(TrialId id);
  Status TellBegin(TrialId id, Outgoing& trial);
  Result<bool> SendNext(TrialId id, Outgoing& trial);
  Result<bool> SendTest();
  Status SendRows(StageMessage header, const Examples& part,
                  std::span<const std::uint32_t> examples);
  std::uint32_t attempt() const;
  void NextAttempt();
  void CheckTime();

  const Replica* replica_;
  const Dataset* data_;
  StageForward* forward_;
  StageSender* sender_;
  WorkerId worker_;
  std::uint32_t rows_;  // in a piece of a pool
  Pace pace_;

  std::map<TrialId, Outgoing> trials_;
  std::set<Sent> under_way_;
  std::uint32_t sendings_ = 1;  // of all, in this life
  std::uint64_t round_ = 0;
  std::set<TrialId> added_;  // in this round
  std::uint64_t counter_ = 0;
  TestSource test_;
  Clock::time_point heard_;
  std::chrono::milliseconds patience_;
  std::uint64_t repeats_ = 0;
  std::vector<float> input_;
};

}  // namespace ndcao
