#include "ndcao/journal/nats/blob_store.h"

#include <fmt/format.h>

#include <algorithm>

#include "ndcao/base/hash.h"
#include "ndcao/journal/nats/names.h"

namespace ndcao {
namespace {

constexpr std::size_t kChunkBytes = 512 << 10;

}  // namespace

Result<Manifest> BlobStore::PutChunks(const std::string& name, int slot,
                                      std::span<const std::byte> bytes) {
  Manifest manifest{bytes.size(), Hash64(bytes), slot, {}, {}};
  const std::string stream = BlobStream(run_);
  const std::string blob = fmt::format("{}-{}", name, slot);
  for (std::size_t begin = 0; begin < bytes.size(); begin += kChunkBytes) {
    const auto chunk = bytes.subspan(begin, std::min(kChunkBytes, bytes.size() - begin));
    const std::string subject = BlobSubject(run_, blob, begin / kChunkBytes);
    NDCAO_TRY(Persist(connection_.options(), "sending " + name, [&]() -> Result<bool> {
      jsPubOptions options;
      jsPubOptions_Init(&options);
      options.MaxWait = 5000;
      options.ExpectStream = stream.c_str();
      PubAckHandle ack;
      jsErrCode code = {};
      const natsStatus status =
          js_Publish(Out(ack), connection_.js(), subject.c_str(), chunk.data(),
                     static_cast<int>(chunk.size()), &options, &code);
      if (status == NATS_OK) manifest.sequences.push_back(ack->Sequence);
      if (status == NATS_OK) return true;
      NDCAO_TRY(connection_.CheckAllowed(subject));
      if (IsPassing(status)) return false;
      return Connection::Failure("sending " + name, status);
    }));
  }
  return manifest;
}

Result<std::vector<std::byte>> BlobStore::GetChunks(const Manifest& manifest) {
  const std::string stream = BlobStream(run_);
  std::vector<std::byte> bytes;
  for (const std::uint64_t sequence : manifest.sequences) {
    NDCAO_TRY(Persist(connection_.options(), "fetching a chunk", [&]() -> Result<bool> {
      MessageHandle chunk;
      jsErrCode code = {};
      const natsStatus status =
          js_GetMsg(Out(chunk), connection_.js(), stream.c_str(), sequence, nullptr, &code);
      if (status == NATS_NOT_FOUND) return Corrupt("a chunk is gone");
      if (IsPassing(status)) return false;
      if (status != NATS_OK) return Connection::Failure("fetching a chunk", status);
      const auto* data = reinterpret_cast<const std::byte*>(natsMsg_GetData(chunk.get()));
      bytes.insert(bytes.end(), data, data + natsMsg_GetDataLength(chunk.get()));
      return true;
    }));
  }
  if (bytes.size() != manifest.length || Hash64(bytes) != manifest.hash) {
    return Corrupt("its checksum is wrong");
  }
  return bytes;
}

}  // namespace ndcao
