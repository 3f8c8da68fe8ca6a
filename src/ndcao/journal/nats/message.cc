#include "ndcao/journal/nats/message.h"

#include "ndcao/base/bytes.h"
#include "ndcao/base/hash.h"

namespace ndcao {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kChecksumBytes = 8;

}  // namespace

std::vector<std::byte> EncodeMessage(const JournalMessage& message) {
  NDCAO_CHECK(!message.payloads.empty());
  ByteWriter out;
  out.Put(kVersion);
  out.Put(message.writer);
  out.Put(message.number);
  out.Put(message.spec_hash);
  for (const std::vector<std::byte>& payload : message.payloads) {
    out.Put(static_cast<std::uint32_t>(payload.size()));
    out.PutAll(std::span<const std::byte>(payload));
  }
  out.Put(Hash64(out.bytes()));
  return out.Take();
}

Result<JournalMessage> DecodeMessage(std::span<const std::byte> bytes) {
  if (bytes.size() < kMessageOverhead) return Corrupt("the message is too short");
  const auto body = bytes.first(bytes.size() - kChecksumBytes);
  ByteReader end(bytes.last(kChecksumBytes));
  if (Hash64(body) != end.Get<std::uint64_t>()) return Corrupt("the message's checksum is wrong");
  ByteReader in(body);
  if (in.Get<std::uint8_t>() != kVersion) return Corrupt("the message has another version");
  JournalMessage message;
  message.writer = in.Get<std::uint64_t>();
  message.number = in.Get<std::uint32_t>();
  message.spec_hash = in.Get<std::uint64_t>();
  while (in.remaining() > 0) {
    const auto size = in.Get<std::uint32_t>();
    if (size > in.remaining()) return Corrupt("a record is longer than its message");
    in.GetAll(std::span<std::byte>(message.payloads.emplace_back(size)));
  }
  if (!in.ok() || message.payloads.empty()) return Corrupt("the message holds no record");
  return message;
}

}  // namespace ndcao
