// A stage's part of the forward passes: each at the version of its parameters that belongs to it.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <tuple>

#include "ndcao/base/result.h"
#include "ndcao/evaluate/stage_network.h"
#include "ndcao/partitioned/stage_message.h"
#include "ndcao/replica/replica.h"

namespace ndcao {

class StageForward {
 public:
  /// Both outlive it.
  StageForward(const Replica& replica, StageNetwork& network)
      : replica_(replica), network_(network) {}

  /// The message belongs to a later moment of the run than the replica's.
  bool IsEarly(const StageMessage& message) const;

  /// The trial as this stage evaluates it: at the version that the replica had when it first heard
  /// of the attempt. Null if the attempt or the trial's round is over.
  const Trial* Pin(TrialId trial, std::uint32_t attempt);

  /// What the stage makes of rows of input; valid until the next call. Nothing if the message is
  /// out of date.
  Result<std::optional<std::span<const float>>> Run(const StageMessage& message,
                                                    std::span<const float> input);

  /// The trial's group has been folded: its version is let go.
  void Forget(TrialId trial) { active_.erase(trial); }

 private:
  struct Active {
    std::uint32_t attempt = 0;
    Trial trial;
  };
  /// Which parameters stand in the network's buffer.
  using Loaded = std::tuple<TrialId, std::uint32_t, bool, std::uint16_t>;

  bool IsLate(TrialId trial) const;
  bool Load(const StageMessage& message);

  const Replica& replica_;
  StageNetwork& network_;
  std::map<TrialId, Active> active_;
  std::optional<Loaded> loaded_;
};

}  // namespace ndcao
