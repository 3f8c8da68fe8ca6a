// RunServer over one connection.
#pragma once

#include <mutex>

#include "ndcao/journal/nats/blob_store.h"
#include "ndcao/journal/nats/run_server.h"

namespace ndcao {

class NatsServer : public RunServer {
 public:
  explicit NatsServer(std::unique_ptr<Connection> connection)
      : connection_(std::move(connection)) {}

  std::string url() const override { return connection_->options().ShownUrl(); }
  const NatsOptions& options() const override { return connection_->options(); }
  Status PrepareRun(const std::string& run) override;
  Result<std::optional<std::string>> Get(const std::string& key) override;
  Result<bool> Create(const std::string& key, const std::string& value) override;
  Result<std::vector<std::string>> Runs() override;
  Result<std::vector<Heartbeat>> Alive() override;
  Status PutBlob(const std::string& run, const std::string& name, std::span<const std::byte> bytes,
                 const std::string& about) override;
  Result<std::optional<std::vector<std::byte>>> GetBlob(const std::string& run,
                                                        const std::string& name, int age) override;
  Result<std::optional<std::string>> GetManifest(const std::string& run,
                                                 const std::string& name) override;
  Result<bool> TakeLease(const std::string& run) override;
  void Beat(const std::string& run, const std::string& text) override;
  void Leave(const std::string& run) override;
  Result<std::optional<Claim>> GetClaim(const std::string& run, const std::string& name) override;
  Result<std::optional<std::uint64_t>> PutClaim(const std::string& run, const std::string& name,
                                                const std::string& text,
                                                std::uint64_t revision) override;
  void DropClaim(const std::string& run, const std::string& name) override;
  Result<std::unique_ptr<Channel>> OpenChannel(const std::string& run,
                                               std::uint32_t stage) override;
  Result<std::unique_ptr<NatsJournal>> OpenJournal(const std::string& run,
                                                   std::span<const std::byte> checkpoint) override;

 private:
  Status PrepareBucket(const char* name, std::uint8_t history, std::chrono::seconds lifetime);
  Status PrepareStream(const std::string& name, const std::string& subject, bool journal);
  Error NoSuchCluster() const;
  /// Null if the bucket does not exist.
  Result<BucketHandle> Bucket(const char* name);
  Result<std::vector<std::string>> Keys(const char* bucket);
  /// What a bucket holds under a key, if there is such a thing.
  Result<std::optional<Claim>> EntryOf(const char* bucket, const std::string& key);
  Result<std::optional<std::string>> GetFrom(const char* bucket, const std::string& key);
  /// The values of a key, the newest first.
  Result<std::vector<std::string>> Versions(const std::string& key);
  Status Put(const std::string& key, const std::string& value);

  const std::unique_ptr<Connection> connection_;
};

}  // namespace ndcao
