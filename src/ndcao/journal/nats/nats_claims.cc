// NatsServer's claims, and its channels.
#include <fmt/format.h>

#include "ndcao/journal/nats/names.h"
#include "ndcao/journal/nats/nats_channel.h"
#include "ndcao/journal/nats/nats_server.h"

namespace ndcao {

Result<std::optional<Claim>> NatsServer::GetClaim(const std::string& run, const std::string& name) {
  return EntryOf(kAliveBucket, ClaimKey(run, name));
}

Result<std::optional<std::uint64_t>> NatsServer::PutClaim(const std::string& run,
                                                          const std::string& name,
                                                          const std::string& text,
                                                          std::uint64_t revision) {
  NDCAO_ASSIGN(const BucketHandle bucket, Bucket(kAliveBucket));
  if (bucket == nullptr) return Failed("the bucket of claims is gone");
  const std::string key = ClaimKey(run, name);
  std::optional<std::uint64_t> now;
  NDCAO_TRY(Persist(options(), "key " + key, [&]() -> Result<bool> {
    std::uint64_t made = 0;
    const natsStatus status =
        revision == 0
            ? kvStore_CreateString(&made, bucket.get(), key.c_str(), text.c_str())
            : kvStore_UpdateString(&made, bucket.get(), key.c_str(), text.c_str(), revision);
    if (status == NATS_OK) now = made;
    if (IsPassing(status)) return false;
    NDCAO_TRY(connection_->CheckAllowed(fmt::format("$KV.{}.{}", kAliveBucket, key)));
    return true;
  }));
  return now;
}

void NatsServer::DropClaim(const std::string& run, const std::string& name) {
  const Result<BucketHandle> bucket = Bucket(kAliveBucket);
  if (!bucket.ok() || bucket.value() == nullptr) return;
  kvStore_Delete(bucket.value().get(), ClaimKey(run, name).c_str());
}

Result<std::unique_ptr<Channel>> NatsServer::OpenChannel(const std::string& run,
                                                         std::uint32_t stage) {
  return NatsChannel::Open(*connection_, run, stage);
}

}  // namespace ndcao
