// Reads records from any offset on, without waiting. Keeps no records, only where some of them
// stand: the first of each segment, every 1,024th that it has passed, and where the last calls
// ended.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "ndcao/journal/file/file_lock.h"
#include "ndcao/journal/file/segment_cursor.h"
#include "ndcao/journal/record.h"

namespace ndcao {

/// Any thread may call any method.
class JournalReader {
 public:
  /// `segments` are the directory's segments. `lock` is the journal's lock, opened for this
  /// reader alone; null if there is none, and so no writer.
  static Result<std::unique_ptr<JournalReader>> Open(const std::string& directory,
                                                     const std::vector<Offset>& segments,
                                                     std::unique_ptr<FileLock> lock);

  /// At most `max` entries from `from` on; none if there is no record yet, or only the beginning of
  /// one. kCorrupt where the journal is damaged.
  Result<std::vector<Entry>> Read(Offset from, std::size_t max);

  /// The position before record `offset`, or the journal's end if it has fewer records.
  Result<Position> Find(Offset offset);

  /// Bytes behind the last record that are not a record: a torn tail. kCorrupt if it is damage.
  Result<std::uint64_t> TornTail();

 private:
  JournalReader(std::string directory, std::unique_ptr<FileLock> lock)
      : directory_(std::move(directory)), lock_(std::move(lock)) {}

  using LockGuard = std::optional<FileLock::Guard>;
  Result<LockGuard> Lock();
  Result<std::vector<Entry>> ReadOn(SegmentCursor& cursor, Offset from, std::size_t max,
                                    Stop* stop);
  Result<std::vector<Entry>> ReadLocked(SegmentCursor& cursor, Offset from, std::size_t max);
  std::optional<Suspect> Unexplained(const SegmentCursor& cursor, Stop stop);
  bool KnownTorn(const Suspect& place);
  SegmentCursor CursorAt(Offset offset);
  void Index(const Position& position);
  void Remember(const SegmentCursor& cursor);

  const std::string directory_;
  const std::unique_ptr<FileLock> lock_;
  std::mutex mutex_;                  // Guards all that follows.
  std::map<Offset, Position> index_;  // Sparse.
  std::deque<Position> recent_;       // Where the last calls ended.
  std::shared_ptr<const SegmentFile> last_file_;
  Offset last_segment_ = 0;      // Was in the directory at some time.
  std::optional<Suspect> torn_;  // Judged to be a torn tail.
  int torn_seen_ = 0;            // How often since.
};

}  // namespace ndcao
