#include "ndcao/journal/file/file_journal_options.h"

#include <fmt/format.h>

namespace ndcao {

Result<FsyncPolicy> ParseFsyncPolicy(std::string_view name) {
  if (name == "always") return FsyncPolicy::kAlways;
  if (name == "interval") return FsyncPolicy::kInterval;
  if (name == "never") return FsyncPolicy::kNever;
  return Invalid(
      fmt::format("fsync policy '{}' is unknown; allowed are always, interval, never", name));
}

Status FileJournalOptions::Validate() const {
  using std::chrono::milliseconds;
  if (interval < milliseconds(1) || interval > std::chrono::minutes(1)) {
    return Invalid(
        fmt::format("journal option interval is {} ms; allowed are 1 to 60000", interval.count()));
  }
  if (segment_bytes < 64 || segment_bytes > std::uint64_t{1} << 40) {
    return Invalid(
        fmt::format("journal option segment_bytes is {}; allowed are 64 to 2^40", segment_bytes));
  }
  return Ok();
}

}  // namespace ndcao
