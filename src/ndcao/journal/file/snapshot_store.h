// Snapshots of a run in DIR/snapshots (docs/formats/snapshot.md): only a cache of the journal's
// fold. Damaged ones are skipped; a failed write is a reason to warn, not to stop.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ndcao/base/ids.h"
#include "ndcao/base/result.h"

namespace ndcao {

struct Snapshot {
  Offset offset = 0;             ///< Records 0 … offset−1 are folded in.
  std::uint64_t chain = 0;       ///< The hash chain at that offset.
  std::vector<std::byte> bytes;  ///< What the replica saved.
};

/// Any thread and any process may call any method.
class SnapshotStore {
 public:
  /// `spec_hash`: Hash64 of record 0 (FileJournal::SpecHash). Touches no file.
  SnapshotStore(const std::string& run_directory, std::uint64_t spec_hash)
      : directory_(run_directory + "/snapshots"), spec_hash_(spec_hash) {}

  /// Durable on return. Then removes all but this one and the newest of the others.
  Status Write(Offset offset, std::uint64_t chain, std::span<const std::byte> bytes);

  /// The newest intact snapshot of this run with offset <= `max_offset`, if any; warns about each
  /// that it skips. Compare its chain with the journal's before using it; if they differ, ask
  /// again with `max_offset` below it.
  std::optional<Snapshot> ReadNewest(Offset max_offset) const;

 private:
  std::string PathOf(Offset offset) const;
  std::vector<Offset> List() const;
  Status WriteTo(const std::string& path, Offset offset, std::uint64_t chain,
                 std::span<const std::byte> bytes) const;
  void RemoveUnfinished() const;
  void Prune(Offset written) const;
  Result<Snapshot> ReadOne(Offset offset) const;

  std::string directory_;
  std::uint64_t spec_hash_;
};

}  // namespace ndcao
