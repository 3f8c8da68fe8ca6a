#include "ndcao/journal/file/segment.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "ndcao/base/bytes.h"
#include "ndcao/base/hash.h"
#include "ndcao/journal/codec.h"

namespace ndcao {
namespace {

constexpr std::array<char, 8> kMagic = {'N', 'D', 'C', 'A', 'O', 'J', 'N', 'L'};
constexpr std::size_t kChecksumAt = 40;
constexpr std::size_t kNameDigits = 20;
constexpr std::string_view kSuffix = ".log";
// No frame is shorter, so this bounds how many of them fit into a range.
constexpr std::size_t kMinFrameBytes = kFrameHeadBytes + 1;

// XXH3 of (offset, hash of the payload): the same function as a step of the chain.
std::uint64_t Checksum(Offset offset, std::uint64_t payload_hash) {
  return ChainHash(offset, payload_hash);
}

// Whether a frame that is intact but for its offset stands at the start of `bytes`, for one of the
// `candidates` offsets from `offset` on.
bool IsWholeFrame(std::span<const std::byte> bytes, Offset offset, std::uint64_t candidates) {
  ByteReader in(bytes);
  const auto length = in.Get<std::uint32_t>();
  const auto checksum = in.Get<std::uint64_t>();
  if (length == 0 || length > kMaxPayloadBytes || length > in.remaining()) return false;
  const auto payload = bytes.subspan(kFrameHeadBytes, length);
  if (!DecodeRecord(payload).ok()) return false;
  const std::uint64_t hash = Hash64(payload);
  for (std::uint64_t i = 0; i < candidates; ++i) {
    if (Checksum(offset + i, hash) == checksum) return true;
  }
  return false;
}

}  // namespace

std::vector<std::byte> EncodeSegmentHeader(const SegmentHeader& header) {
  ByteWriter out;
  out.PutAll(std::span<const char>(kMagic));
  out.Put(kJournalVersion);
  out.Put(std::uint32_t{0});
  out.Put(header.spec_hash);
  out.Put(header.first);
  out.Put(header.chain);
  out.Put(Hash64(out.bytes()));
  return out.Take();
}

Result<SegmentHeader> DecodeSegmentHeader(std::span<const std::byte> bytes) {
  if (bytes.size() < kSegmentHeaderBytes) return Corrupt("the segment header is incomplete");
  ByteReader in(bytes.first(kSegmentHeaderBytes));
  std::array<char, 8> magic{};
  in.GetAll(std::span<char>(magic));
  const auto version = in.Get<std::uint32_t>();
  in.Get<std::uint32_t>();
  SegmentHeader header;
  header.spec_hash = in.Get<std::uint64_t>();
  header.first = in.Get<Offset>();
  header.chain = in.Get<std::uint64_t>();
  const bool intact = in.Get<std::uint64_t>() == Hash64(bytes.first(kChecksumAt));
  if (magic != kMagic) return Corrupt("the file does not begin with a segment header");
  if (version != kJournalVersion) {
    const std::string what = fmt::format("it has format version {}, this program reads version {}",
                                         version, kJournalVersion);
    if (intact) return Invalid(what);
    return Corrupt("the checksum of the segment header is wrong (" + what + ")");
  }
  if (!intact) return Corrupt("the checksum of the segment header is wrong");
  return header;
}

FrameState ParseFrame(std::span<const std::byte> bytes, Offset offset, Frame* frame) {
  if (bytes.size() < kFrameHeadBytes) return FrameState::kPartial;
  ByteReader in(bytes);
  const auto length = in.Get<std::uint32_t>();
  const auto checksum = in.Get<std::uint64_t>();
  if (length == 0 || length > kMaxPayloadBytes) return FrameState::kBad;
  if (length > in.remaining()) return FrameState::kPartial;
  frame->payload = bytes.subspan(kFrameHeadBytes, length);
  frame->hash = Hash64(frame->payload);
  return Checksum(offset, frame->hash) == checksum ? FrameState::kWhole : FrameState::kBad;
}

std::size_t NeededBytes(std::span<const std::byte> bytes) {
  ByteReader in(bytes);
  return kFrameHeadBytes + std::min<std::size_t>(in.Get<std::uint32_t>(), kMaxPayloadBytes);
}

std::vector<std::byte> EncodeFrame(Offset offset, std::span<const std::byte> payload) {
  NDCAO_CHECK(!payload.empty() && payload.size() <= kMaxPayloadBytes);
  ByteWriter out;
  out.Put(static_cast<std::uint32_t>(payload.size()));
  out.Put(Checksum(offset, Hash64(payload)));
  out.PutAll(payload);
  return out.Take();
}

std::optional<std::size_t> FindWholeFrame(std::span<const std::byte> bytes, Offset offset) {
  for (std::size_t at = 1; at + kMinFrameBytes <= bytes.size(); ++at) {
    const std::uint64_t candidates = at / kMinFrameBytes + 1;
    if (IsWholeFrame(bytes.subspan(at), offset, candidates)) return at;
  }
  return std::nullopt;
}

std::string SegmentName(Offset first) { return fmt::format("{:020}{}", first, kSuffix); }

std::optional<Offset> ParseSegmentName(std::string_view name) {
  if (name.size() != kNameDigits + kSuffix.size() || !name.ends_with(kSuffix)) return std::nullopt;
  Offset first = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + kNameDigits, first);
  if (error != std::errc() || end != name.data() + kNameDigits) return std::nullopt;
  return first;
}

}  // namespace ndcao
