// Arbitrary bytes as a message, as a stream of messages, as a filter's saved state and as a
// manifest: they may be refused, but never crash, and what is accepted is written in the same way.
//
// The first byte chooses which. In a stream, messages get good checksums and the right spec hash,
// so that the bytes reach the records.
#include <algorithm>

#include "ndcao/base/hash.h"
#include "ndcao/journal/codec.h"
#include "ndcao/journal/nats/manifest.h"
#include "ndcao/journal/nats/record_filter.h"

namespace ndcao {
namespace {

using Bytes = std::span<const std::byte>;

void FuzzMessage(Bytes bytes) {
  const Result<JournalMessage> message = DecodeMessage(bytes);
  if (message.ok()) NDCAO_CHECK(std::ranges::equal(EncodeMessage(message.value()), bytes));
}

// A length, a number, and a payload cut from the bytes, again and again.
void FuzzStream(Bytes bytes) {
  const std::vector<std::byte> spec = EncodeRecord(SpecRecord{"spec", 1, "digest"});
  RecordFilter filter;
  std::vector<Entry> entries;
  NDCAO_CHECK(!filter.Take("a", EncodeMessage({1, 0, Hash64(spec), {spec}}), entries));
  while (bytes.size() > 2) {
    const auto length =
        std::min<std::size_t>(std::to_integer<std::size_t>(bytes[0]), bytes.size() - 2);
    const auto number = std::to_integer<std::uint32_t>(bytes[1]);
    const Bytes payload = bytes.subspan(2, length);
    const Offset before = filter.next_offset();
    const auto drop = filter.Take(
        number % 2 == 0 ? "a" : "b",
        EncodeMessage({1 + number % 3, number, Hash64(spec), {{payload.begin(), payload.end()}}}),
        entries);
    NDCAO_CHECK(filter.next_offset() == before + (drop ? 0 : 1));
    bytes = bytes.subspan(2 + length);
  }
  NDCAO_CHECK(entries.size() == filter.next_offset());
}

void FuzzState(Bytes bytes) {
  RecordFilter filter;
  ByteReader in(bytes);
  if (!filter.Load(in)) return;
  ByteWriter out;
  filter.Save(out);
  RecordFilter again;
  ByteReader saved(out.bytes());
  NDCAO_CHECK(again.Load(saved) && again == filter);
}

void FuzzManifest(Bytes bytes) {
  const Result<Manifest> manifest =
      Manifest::Decode({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  if (manifest.ok()) NDCAO_CHECK(Manifest::Decode(manifest.value().Encode()).ok());
}

}  // namespace
}  // namespace ndcao

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ndcao::Bytes bytes = std::as_bytes(std::span(data, size)).subspan(1);
  switch (data[0] % 4) {
    case 0:
      ndcao::FuzzMessage(bytes);
      break;
    case 1:
      ndcao::FuzzStream(bytes);
      break;
    case 2:
      ndcao::FuzzState(bytes);
      break;
    default:
      ndcao::FuzzManifest(bytes);
  }
  return 0;
}
