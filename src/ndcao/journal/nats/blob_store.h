// Large things of a run (initial parameters, a model's file, snapshots), in chunks in a stream,
// each with a manifest in the bucket of runs. A new version overwrites the one before the last.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "ndcao/journal/nats/connection.h"
#include "ndcao/journal/nats/manifest.h"

namespace ndcao {

class BlobStore {
 public:
  BlobStore(Connection& connection, std::string run) : connection_(connection), run_(run) {}

  /// Publishes the chunks; the caller stores the manifest, which makes them count.
  Result<Manifest> PutChunks(const std::string& name, int slot, std::span<const std::byte> bytes);
  /// kCorrupt if a chunk is gone or changed.
  Result<std::vector<std::byte>> GetChunks(const Manifest& manifest);

 private:
  Connection& connection_;
  const std::string run_;
};

}  // namespace ndcao
