// How a journal in files is opened and how durable its appends are.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

#include "ndcao/base/result.h"
#include "ndcao/journal/file/write_file.h"

namespace ndcao {

/// What an acknowledged record survives; the table is in docs/formats/journal.md.
enum class FsyncPolicy {
  kAlways,    ///< A power cut: fdatasync before Append returns.
  kInterval,  ///< A power cut later than the interval; a killed process always.
  kNever,     ///< A killed process.
};

/// "always", "interval" or "never".
Result<FsyncPolicy> ParseFsyncPolicy(std::string_view name);

enum class OpenMode {
  kCreate,    ///< Creates the directory and the journal where missing.
  kExisting,  ///< There must be a journal (it may be empty).
  kReadOnly,  ///< There must be a journal; nothing is written, not even a torn tail cut.
};

struct FileJournalOptions {
  OpenMode mode = OpenMode::kCreate;
  FsyncPolicy fsync = FsyncPolicy::kInterval;
  /// Time between syncs under kInterval: 1 ms to 1 minute.
  std::chrono::milliseconds interval{50};
  /// Where a new segment begins: 64 bytes to 2^40. A segment has at least one record.
  std::uint64_t segment_bytes = std::uint64_t{64} << 20;
  /// For tests: put in front of every file that is written. Null: nothing.
  WrapFile wrap_file;

  /// kInvalid, naming the field, its value and what is allowed.
  Status Validate() const;
};

}  // namespace ndcao
