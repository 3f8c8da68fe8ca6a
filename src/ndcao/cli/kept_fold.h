// A snapshot of a run on a server: where it stands, what the journal is opened with there, and the
// replica's state.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "ndcao/base/ids.h"
#include "ndcao/base/result.h"

namespace ndcao {

struct KeptFold {
  Offset offset = 0;
  std::vector<std::byte> checkpoint;  ///< NatsJournal::CheckpointBefore(offset).
  std::vector<std::byte> replica;     ///< Replica::Snapshot.

  std::vector<std::byte> Encode() const;
  static Result<KeptFold> Decode(std::span<const std::byte> bytes);
};

}  // namespace ndcao
