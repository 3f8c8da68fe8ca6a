// Sends a stage's messages, and counts what crosses the wire.
#pragma once

#include <cstdint>
#include <span>

#include "ndcao/base/result.h"
#include "ndcao/journal/channel.h"
#include "ndcao/partitioned/stage_message.h"

namespace ndcao {

/// What a stage has sent, headers included.
struct StageTraffic {
  std::uint64_t examples = 0;          ///< Whose activations went to the next stage.
  std::uint64_t activation_bytes = 0;  ///< Of those messages.
  std::uint64_t other_bytes = 0;       ///< Labels, choices, acknowledgements.
};

class StageSender {
 public:
  /// `channel` outlives it.
  StageSender(Channel& channel, std::uint32_t stage, std::uint32_t stages)
      : channel_(channel), stage_(stage), stages_(stages) {}

  bool is_first() const { return stage_ == 1; }

  /// `rows` rows of activations to the next stage, under the header of `message`.
  Status PassOn(StageMessage message, std::span<const float> activations, std::uint32_t rows) {
    message.payload = std::as_bytes(activations);
    const auto bytes = EncodeStageMessage(message);
    traffic_.examples += rows;
    traffic_.activation_bytes += bytes.size();
    return channel_.Send(stage_ + 1, bytes);
  }
  /// Anything else, to the first stage or the last.
  Status TellFirst(const StageMessage& message) { return Tell(1, message); }
  Status TellLast(const StageMessage& message) { return Tell(stages_, message); }
  /// From the last stage to all others.
  Status TellOthers(const StageMessage& message) {
    for (std::uint32_t stage = 1; stage < stages_; ++stage) NDCAO_TRY(Tell(stage, message));
    return Ok();
  }

  Channel& channel() { return channel_; }
  const StageTraffic& traffic() const { return traffic_; }

 private:
  Status Tell(std::uint32_t stage, const StageMessage& message) {
    const auto bytes = EncodeStageMessage(message);
    traffic_.other_bytes += bytes.size();
    return channel_.Send(stage, bytes);
  }

  Channel& channel_;
  const std::uint32_t stage_;
  const std::uint32_t stages_;
  StageTraffic traffic_;
};

}  // namespace ndcao
