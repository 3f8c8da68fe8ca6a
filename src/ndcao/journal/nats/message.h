// One message of a run's journal stream: records of one writer, in order (docs/formats/nats.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ndcao/base/result.h"

namespace ndcao {

/// Larger messages are dropped unread by every replica.
inline constexpr std::size_t kMaxMessageBytes = 512 << 10;
/// What a message takes besides its records, and each record besides its payload.
inline constexpr std::size_t kMessageOverhead = 29;
inline constexpr std::size_t kRecordOverhead = 4;

struct JournalMessage {
  std::uint64_t writer = 0;     ///< Random; another one for each life of a process.
  std::uint32_t number = 0;     ///< Counts the writer's messages, from 0.
  std::uint64_t spec_hash = 0;  ///< Hash64 of record 0's payload.
  std::vector<std::vector<std::byte>> payloads;  ///< One or more; EncodeRecord wrote them.
};

std::vector<std::byte> EncodeMessage(const JournalMessage& message);

/// kCorrupt on another version, a wrong checksum or lengths that do not fit; never reads outside.
Result<JournalMessage> DecodeMessage(std::span<const std::byte> bytes);

}  // namespace ndcao
