#include "ndcao/partitioned/stage_message.h"

#include <algorithm>

#include "ndcao/base/bytes.h"
#include "ndcao/base/hash.h"

namespace ndcao {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kChecksumAt = 16;
// Of every payload but that of kArrived.
constexpr std::size_t kUnit = 4;

std::uint32_t Checksum(std::span<const std::byte> bytes) {
  return static_cast<std::uint32_t>(ChainHash(Hash64(bytes.first(kChecksumAt)),
                                              Hash64(bytes.subspan(StageMessage::kHeaderBytes))));
}

}  // namespace

bool LabelsExist(std::span<const std::int32_t> labels, std::uint64_t classes) {
  return std::ranges::all_of(labels, [classes](std::int32_t label) {
    return label >= 0 && static_cast<std::uint64_t>(label) < classes;
  });
}

std::vector<std::byte> EncodeStageMessage(const StageMessage& message) {
  std::vector<std::byte> bytes(StageMessage::kHeaderBytes + message.payload.size());
  const auto put = [&bytes](std::size_t at, auto value) {
    std::memcpy(bytes.data() + at, &value, sizeof(value));
  };
  put(0, kVersion);
  put(1, message.kind);
  put(2, message.number);
  put(4, message.attempt);
  put(8, message.trial.value);
  std::copy(message.payload.begin(), message.payload.end(),
            bytes.begin() + StageMessage::kHeaderBytes);
  put(kChecksumAt, Checksum(bytes));
  return bytes;
}

Result<StageMessage> DecodeStageMessage(std::span<const std::byte> bytes) {
  if (bytes.size() < StageMessage::kHeaderBytes) return Corrupt("the message is too short");
  ByteReader in(bytes);
  if (in.Get<std::uint8_t>() != kVersion) return Corrupt("the message has another version");
  const auto kind = in.Get<std::uint8_t>();
  if (kind >= kStageMessageKinds) return Corrupt("the message is of an unknown kind");
  StageMessage message;
  message.kind = static_cast<StageMessageKind>(kind);
  message.number = in.Get<std::uint16_t>();
  message.attempt = in.Get<std::uint32_t>();
  message.trial = {in.Get<std::uint64_t>()};
  if (in.Get<std::uint32_t>() != Checksum(bytes)) return Corrupt("the message's checksum is wrong");
  message.payload = bytes.subspan(StageMessage::kHeaderBytes);
  const std::size_t size = message.payload.size();
  const bool whole = message.kind == StageMessageKind::kArrived ? size == 1 : size % kUnit == 0;
  if (!whole) return Corrupt("the message's payload is not whole");
  return message;
}

std::vector<std::byte> TrialBegin::Encode() const {
  ByteWriter out;
  out.Put(base);
  out.Put(base_chain);
  out.Put(rows);
  out.PutAll(std::span<const std::int32_t>(labels));
  return out.Take();
}

Result<TrialBegin> TrialBegin::Decode(std::span<const std::byte> bytes) {
  ByteReader in(bytes);
  TrialBegin begin;
  begin.base = in.Get<Offset>();
  begin.base_chain = in.Get<std::uint64_t>();
  begin.rows = in.Get<std::uint32_t>();
  begin.labels.resize(in.remaining() / sizeof(std::int32_t));
  in.GetAll(std::span<std::int32_t>(begin.labels));
  if (!in.ok() || in.remaining() > 0) return Corrupt("the trial's beginning is not whole");
  return begin;
}

}  // namespace ndcao
