// The bytes of a segment: its header and its frames (docs/formats/journal.md). Pure functions over
// byte strings; files are segment_file.h's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ndcao/base/ids.h"
#include "ndcao/base/result.h"

namespace ndcao {

inline constexpr std::uint32_t kJournalVersion = 1;
inline constexpr std::size_t kSegmentHeaderBytes = 48;
inline constexpr std::size_t kFrameHeadBytes = 12;
inline constexpr std::size_t kMaxPayloadBytes = std::size_t{16} << 20;

struct SegmentHeader {
  std::uint64_t spec_hash = 0;  ///< Hash64 of record 0's payload.
  Offset first = 0;             ///< Offset of the first record.
  std::uint64_t chain = 0;      ///< Hash chain at that offset.
};

std::vector<std::byte> EncodeSegmentHeader(const SegmentHeader& header);

/// Reads the first kSegmentHeaderBytes. kCorrupt if they are not a header; kInvalid, naming both
/// versions, if they are an intact header of another version.
Result<SegmentHeader> DecodeSegmentHeader(std::span<const std::byte> bytes);

/// One record as it stands in a segment. `payload` points into the bytes that were parsed.
struct Frame {
  std::span<const std::byte> payload;
  std::uint64_t hash = 0;  ///< Hash64 of the payload.

  std::size_t size() const { return kFrameHeadBytes + payload.size(); }
};

enum class FrameState {
  kWhole,    ///< A valid frame.
  kPartial,  ///< More bytes are needed: NeededBytes says how many.
  kBad,      ///< Not a frame of this offset.
};

/// Parses the frame at the start of `bytes`; sets `frame` if it is whole.
FrameState ParseFrame(std::span<const std::byte> bytes, Offset offset, Frame* frame);

/// Size of the frame that begins here, as far as its first bytes tell: after kPartial. Never more
/// than the largest frame.
std::size_t NeededBytes(std::span<const std::byte> bytes);

/// The frame of one record. `payload` has 1 to kMaxPayloadBytes bytes.
std::vector<std::byte> EncodeFrame(Offset offset, std::span<const std::byte> payload);

/// Looks behind a bad place for something whole. `bytes` begin there and `offset` was expected
/// there; returns where the first frame begins that decodes and has the checksum of an offset
/// that could stand at that place.
std::optional<std::size_t> FindWholeFrame(std::span<const std::byte> bytes, Offset offset);

/// "00000000000000000042.log", and back; nothing for any other name.
std::string SegmentName(Offset first);
std::optional<Offset> ParseSegmentName(std::string_view name);

}  // namespace ndcao
