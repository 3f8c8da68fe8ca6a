// Which chunks make a blob (docs/formats/nats.md): JSON in the bucket of runs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ndcao/base/result.h"

namespace ndcao {

struct Manifest {
  std::uint64_t length = 0;
  std::uint64_t hash = 0;                ///< Hash64 of the whole.
  int slot = 0;                          ///< 0 or 1: versions take turns.
  std::vector<std::uint64_t> sequences;  ///< Of the chunks, in order.
  std::string about;                     ///< A JSON object, for people.

  std::string Encode() const;
  /// kCorrupt if the text is no manifest.
  static Result<Manifest> Decode(const std::string& text);
};

}  // namespace ndcao
