#include "ndcao/journal/nats/nats_server.h"

#include <fmt/format.h>

#include <algorithm>

#include "ndcao/base/log.h"
#include "ndcao/journal/nats/names.h"
#include "ndcao/journal/nats/stream_journal.h"

namespace ndcao {
namespace {

// Heartbeats and leases are gone after so long.
constexpr std::chrono::seconds kLifetime{15};
constexpr std::int64_t kNanoseconds = 1'000'000'000;
// Headers of a message, on top of its records.
constexpr std::size_t kHeaderRoom = 1024;

}  // namespace

Result<std::unique_ptr<RunServer>> ConnectNats(const NatsOptions& options) {
  NDCAO_ASSIGN(auto connection, Connection::Open(options));
  return std::unique_ptr<RunServer>(std::make_unique<NatsServer>(std::move(connection)));
}

Status NatsServer::PrepareRun(const std::string& run) {
  NDCAO_TRY(PrepareBucket(kRunsBucket, 2, std::chrono::seconds(0)));
  NDCAO_TRY(PrepareBucket(kAliveBucket, 1, kLifetime));
  NDCAO_TRY(PrepareStream(JournalStream(run), JournalSubject(run, "*"), true));
  return PrepareStream(BlobStream(run), fmt::format("ndcao.{}.b.>", run), false);
}

Status NatsServer::PrepareBucket(const char* name, std::uint8_t history,
                                 std::chrono::seconds lifetime) {
  return Persist(options(), fmt::format("bucket {}", name), [&]() -> Result<bool> {
    NDCAO_ASSIGN(const BucketHandle existing, Bucket(name));
    if (existing != nullptr) return true;
    kvConfig config;
    kvConfig_Init(&config);
    config.Bucket = name;
    config.History = history;
    config.TTL = lifetime.count() * kNanoseconds;
    config.Replicas = options().replicas;
    BucketHandle made;
    const natsStatus status = js_CreateKeyValue(Out(made), connection_->js(), &config);
    if (status == NATS_OK) return true;
    NDCAO_TRY(connection_->CheckAllowed("$JS.API.STREAM.CREATE"));
    if (IsPassing(status)) return false;
    if (options().replicas > 1 && status == NATS_ERR) return NoSuchCluster();
    return Connection::Failure(fmt::format("making the bucket {}", name), status);
  });
}

Error NatsServer::NoSuchCluster() const {
  return Invalid(fmt::format("--replicas {}: the server at {} is no cluster of so many",
                             options().replicas, url()));
}

Status NatsServer::PrepareStream(const std::string& name, const std::string& subject,
                                 bool journal) {
  // Of processes that make a stream at once, the server tells some that it overlaps itself.
  constexpr int kOverlapsForgiven = 20;
  int overlaps = 0;
  return Persist(options(), "stream " + name, [&]() -> Result<bool> {
    const char* subjects[] = {subject.c_str()};
    jsStreamConfig config;
    jsStreamConfig_Init(&config);
    config.Name = name.c_str();
    config.Subjects = subjects;
    config.SubjectsLen = 1;
    config.Storage = js_FileStorage;
    config.Replicas = options().replicas;
    config.MaxMsgSize = static_cast<std::int32_t>(kMaxMessageBytes + kHeaderRoom);
    if (journal) {
      config.DenyDelete = true;
      config.DenyPurge = true;
    } else {
      config.MaxMsgsPerSubject = 1;
    }
    StreamInfoHandle info;
    jsErrCode code = {};
    natsStatus status =
        js_GetStreamInfo(Out(info), connection_->js(), name.c_str(), nullptr, &code);
    if (status == NATS_OK) return true;
    status = js_AddStream(Out(info), connection_->js(), &config, nullptr, &code);
    if (status == NATS_OK) return true;
    NDCAO_TRY(connection_->CheckAllowed("$JS.API.STREAM.CREATE"));
    if (IsPassing(status)) return false;
    if (code == JSStreamSubjectOverlapErr && overlaps++ < kOverlapsForgiven) return false;
    if (code == JSStreamReplicasNotSupportedErr) return NoSuchCluster();
    return Connection::Failure("making the stream " + name, status);
  });
}

Result<BucketHandle> NatsServer::Bucket(const char* name) {
  BucketHandle bucket;
  NDCAO_TRY(Persist(options(), fmt::format("bucket {}", name), [&]() -> Result<bool> {
    const natsStatus status = js_KeyValue(Out(bucket), connection_->js(), name);
    if (status == NATS_OK || status == NATS_NOT_FOUND) return true;
    if (IsPassing(status)) return false;
    return Connection::Failure(fmt::format("bucket {}", name), status);
  }));
  return bucket;
}

Result<std::optional<Claim>> NatsServer::EntryOf(const char* name, const std::string& key) {
  NDCAO_ASSIGN(const BucketHandle bucket, Bucket(name));
  std::optional<Claim> found;
  if (bucket == nullptr) return found;
  NDCAO_TRY(Persist(options(), "key " + key, [&]() -> Result<bool> {
    EntryHandle entry;
    const natsStatus status = kvStore_Get(Out(entry), bucket.get(), key.c_str());
    if (status == NATS_NOT_FOUND) return true;
    if (IsPassing(status)) return false;
    if (status != NATS_OK) return Connection::Failure("key " + key, status);
    const auto* text = static_cast<const char*>(kvEntry_Value(entry.get()));
    found = Claim{{text, static_cast<std::size_t>(kvEntry_ValueLen(entry.get()))},
                  kvEntry_Revision(entry.get())};
    return true;
  }));
  return found;
}

Result<std::optional<std::string>> NatsServer::GetFrom(const char* name, const std::string& key) {
  NDCAO_ASSIGN(const std::optional<Claim> entry, EntryOf(name, key));
  return entry ? std::optional(entry->text) : std::nullopt;
}

Result<std::optional<std::string>> NatsServer::Get(const std::string& key) {
  return GetFrom(kRunsBucket, key);
}

Result<bool> NatsServer::Create(const std::string& key, const std::string& value) {
  NDCAO_ASSIGN(const BucketHandle bucket, Bucket(kRunsBucket));
  if (bucket == nullptr) return Failed("the bucket of runs is gone");
  bool created = false;
  NDCAO_TRY(Persist(options(), "key " + key, [&]() -> Result<bool> {
    const natsStatus status =
        kvStore_CreateString(nullptr, bucket.get(), key.c_str(), value.c_str());
    created = status == NATS_OK;
    if (created) return true;
    if (IsPassing(status)) return false;
    // Refused: either somebody was first, or an earlier attempt of ours was stored after all.
    NDCAO_ASSIGN(const std::optional<std::string> present, Get(key));
    if (!present) return false;  // the server that answered is behind
    created = *present == value;
    return true;
  }));
  return created;
}

Status NatsServer::Put(const std::string& key, const std::string& value) {
  NDCAO_ASSIGN(const BucketHandle bucket, Bucket(kRunsBucket));
  if (bucket == nullptr) return Failed("the bucket of runs is gone");
  return Persist(options(), "key " + key, [&]() -> Result<bool> {
    const natsStatus status = kvStore_PutString(nullptr, bucket.get(), key.c_str(), value.c_str());
    if (status == NATS_OK || IsPassing(status)) return status == NATS_OK;
    return Connection::Failure("key " + key, status);
  });
}

Result<std::vector<std::string>> NatsServer::Versions(const std::string& key) {
  NDCAO_ASSIGN(const BucketHandle bucket, Bucket(kRunsBucket));
  std::vector<std::string> versions;
  if (bucket == nullptr) return versions;
  NDCAO_TRY(Persist(options(), "key " + key, [&]() -> Result<bool> {
    kvEntryList list = {};
    const natsStatus status = kvStore_History(&list, bucket.get(), key.c_str(), nullptr);
    versions.clear();
    for (int i = list.Count - 1; i >= 0; --i) {
      const auto* text = static_cast<const char*>(kvEntry_Value(list.Entries[i]));
      versions.emplace_back(text, static_cast<std::size_t>(kvEntry_ValueLen(list.Entries[i])));
    }
    kvEntryList_Destroy(&list);
    if (status == NATS_OK || status == NATS_NOT_FOUND) return true;
    if (IsPassing(status)) return false;
    return Connection::Failure("key " + key, status);
  }));
  return versions;
}

Result<std::vector<std::string>> NatsServer::Keys(const char* name) {
  NDCAO_ASSIGN(const BucketHandle bucket, Bucket(name));
  std::vector<std::string> names;
  if (bucket == nullptr) return names;
  NDCAO_TRY(Persist(options(), fmt::format("bucket {}", name), [&]() -> Result<bool> {
    kvKeysList keys = {};
    const natsStatus status = kvStore_Keys(&keys, bucket.get(), nullptr);
    names.assign(keys.Keys, keys.Keys + keys.Count);
    kvKeysList_Destroy(&keys);
    if (status == NATS_OK || status == NATS_NOT_FOUND) return true;
    if (IsPassing(status)) return false;
    return Connection::Failure(fmt::format("bucket {}", name), status);
  }));
  std::ranges::sort(names);
  return names;
}

Result<std::vector<std::string>> NatsServer::Runs() {
  NDCAO_ASSIGN(const std::vector<std::string> keys, Keys(kRunsBucket));
  std::vector<std::string> runs;
  const std::string ending = SpecKey("");
  for (const std::string& key : keys) {
    if (key.ends_with(ending)) runs.push_back(key.substr(0, key.size() - ending.size()));
  }
  return runs;
}

Result<std::vector<Heartbeat>> NatsServer::Alive() {
  NDCAO_ASSIGN(const std::vector<std::string> keys, Keys(kAliveBucket));
  std::vector<Heartbeat> alive;
  for (const std::string& key : keys) {
    const std::size_t at = key.find(".w.");
    if (at == std::string::npos) continue;
    NDCAO_ASSIGN(const auto text, GetFrom(kAliveBucket, key));
    if (text) alive.push_back({key.substr(0, at), key.substr(at + 3), *text});
  }
  return alive;
}

Status NatsServer::PutBlob(const std::string& run, const std::string& name,
                           std::span<const std::byte> bytes, const std::string& about) {
  int slot = 0;
  NDCAO_ASSIGN(const auto text, Get(ManifestKey(run, name)));
  if (text) {
    const Result<Manifest> before = Manifest::Decode(*text);
    if (before.ok()) slot = 1 - before.value().slot;
  }
  NDCAO_ASSIGN(Manifest manifest, BlobStore(*connection_, run).PutChunks(name, slot, bytes));
  manifest.about = about;
  return Put(ManifestKey(run, name), manifest.Encode());
}

Result<std::optional<std::vector<std::byte>>> NatsServer::GetBlob(const std::string& run,
                                                                  const std::string& name,
                                                                  int age) {
  const std::optional<std::vector<std::byte>> nothing;
  NDCAO_ASSIGN(const std::vector<std::string> texts, Versions(ManifestKey(run, name)));
  if (static_cast<std::size_t>(age) >= texts.size()) return nothing;
  const Result<Manifest> manifest = Manifest::Decode(texts[static_cast<std::size_t>(age)]);
  Result<std::vector<std::byte>> bytes =
      manifest.ok() ? BlobStore(*connection_, run).GetChunks(manifest.value())
                    : Result<std::vector<std::byte>>(manifest.error());
  if (bytes.ok()) return std::optional(std::move(bytes).value());
  if (bytes.error().code() != ErrorCode::kCorrupt) return bytes.error();
  spdlog::warn("'{}' of run '{}' is passed over: {}", name, run, bytes.error().message());
  return nothing;
}

Result<std::optional<std::string>> NatsServer::GetManifest(const std::string& run,
                                                           const std::string& name) {
  NDCAO_ASSIGN(const auto text, Get(ManifestKey(run, name)));
  if (!text) return std::optional<std::string>();
  NDCAO_ASSIGN(const Manifest manifest, Manifest::Decode(*text));
  return std::optional(manifest.about);
}

Result<bool> NatsServer::TakeLease(const std::string& run) {
  NDCAO_ASSIGN(const BucketHandle bucket, Bucket(kAliveBucket));
  if (bucket == nullptr) return false;
  const std::string key = LeaseKey(run);
  const natsStatus status =
      kvStore_CreateString(nullptr, bucket.get(), key.c_str(), options().writer.c_str());
  if (status == NATS_OK) return true;
  NDCAO_TRY(connection_->CheckAllowed(fmt::format("$KV.{}.{}", kAliveBucket, key)));
  return false;
}

void NatsServer::Beat(const std::string& run, const std::string& text) {
  const std::string subject =
      fmt::format("$KV.{}.{}", kAliveBucket, AliveKey(run, options().writer));
  natsConnection_PublishString(connection_->get(), subject.c_str(), text.c_str());
}

void NatsServer::Leave(const std::string& run) {
  const std::string subject =
      fmt::format("$KV.{}.{}", kAliveBucket, AliveKey(run, options().writer));
  MessageHandle message;
  if (natsMsg_Create(Out(message), subject.c_str(), nullptr, nullptr, 0) != NATS_OK) return;
  natsMsgHeader_Set(message.get(), "KV-Operation", "DEL");
  natsConnection_PublishMsg(connection_->get(), message.get());
  natsConnection_FlushTimeout(connection_->get(), 500);
}

Result<std::unique_ptr<NatsJournal>> NatsServer::OpenJournal(
    const std::string& run, std::span<const std::byte> checkpoint) {
  return StreamJournal::Open(*connection_, run, checkpoint);
}

}  // namespace ndcao
