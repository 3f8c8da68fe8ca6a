// What the stages of a partitioned run tell one another (docs/formats/stage.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ndcao/base/ids.h"
#include "ndcao/base/result.h"

namespace ndcao {

enum class StageMessageKind : std::uint8_t {
  // From each stage to the next: rows of activations.
  kPool,      ///< Piece `number` of the examples to be screened, at the centre.
  kEvaluate,  ///< The trial's examples at evaluation `number`.
  kTest,      ///< Piece `number` of the test set, when the budget is used up.
  // From the first stage to the last.
  kBegin,      ///< A trial, as TrialBegin.
  kTestBegin,  ///< Labels of piece `number` of the test set: i32 each.
  // From the last stage to the first.
  kChosen,   ///< Positions in the pool that the trial is evaluated on: u32 each.
  kArrived,  ///< Activations have come through; the payload is their kind: u8.
  // Of runs that probe activations; the trial is the batch. From each stage to the next:
  kClean,  ///< The clean pass of slot `number`.
  kCopy,   ///< A perturbed copy of a slot: `number` = slot × copies of all stages + copy.
  // From the first stage to the last, and from the last to all others:
  kLabels,  ///< Of slot `number`: i32 each.
  kLosses,  ///< Of slot `number`, as HeardLosses.
};
inline constexpr std::uint8_t kStageMessageKinds = 11;

inline bool IsActivations(StageMessageKind kind) {
  return kind <= StageMessageKind::kTest || kind == StageMessageKind::kClean ||
         kind == StageMessageKind::kCopy;
}

/// The test set's messages belong to no trial.
inline constexpr TrialId kTestTrial{~std::uint64_t{0}};

struct StageMessage {
  static constexpr std::size_t kHeaderBytes = 20;

  StageMessageKind kind = StageMessageKind::kPool;
  std::uint16_t number = 0;
  /// Grows with every time that the first stage sends a trial, over its lives.
  std::uint32_t attempt = 0;
  TrialId trial;
  std::span<const std::byte> payload;  ///< Not owned.

  /// The payload as floats or 32-bit numbers.
  template <typename T>
  std::vector<T> As() const;
};

/// The payload of kBegin.
struct TrialBegin {
  Offset base = 0;
  std::uint64_t base_chain = 0;
  std::uint32_t rows = 0;            ///< In every piece of the pool but the last.
  std::vector<std::int32_t> labels;  ///< Of the pool, in its order.

  std::vector<std::byte> Encode() const;
  /// kCorrupt if the bytes are no such thing.
  static Result<TrialBegin> Decode(std::span<const std::byte> bytes);

  friend bool operator==(const TrialBegin&, const TrialBegin&) = default;
};

/// Whether each is a class of a network that has so many.
bool LabelsExist(std::span<const std::int32_t> labels, std::uint64_t classes);

std::vector<std::byte> EncodeStageMessage(const StageMessage& message);
/// kCorrupt on another version, an unknown kind, a wrong checksum, or a payload that is not whole.
/// The payload lies in `bytes`.
Result<StageMessage> DecodeStageMessage(std::span<const std::byte> bytes);

template <typename T>
std::vector<T> StageMessage::As() const {
  std::vector<T> values(payload.size() / sizeof(T));
  const auto bytes = std::as_writable_bytes(std::span(values));
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = payload[i];
  return values;
}

}  // namespace ndcao
