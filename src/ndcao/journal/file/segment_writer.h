// Appends frames behind whatever anybody has appended, under the journal's lock.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "ndcao/journal/file/file_journal_options.h"
#include "ndcao/journal/file/file_lock.h"
#include "ndcao/journal/file/segment_cursor.h"

namespace ndcao {

/// One thread at a time; other processes at any time.
class SegmentWriter {
 public:
  /// Finds the end of the journal and cuts a torn tail. `segments` are its segments.
  static Result<std::unique_ptr<SegmentWriter>> Open(const std::string& directory,
                                                     const std::vector<Offset>& segments,
                                                     const FileJournalOptions& options);

  /// Appends one record's payload. After an error nothing was appended. Not synced: file() is
  /// what to sync.
  Result<Offset> Append(std::span<const std::byte> payload);

  /// The segment that holds the last record appended; earlier ones are synced already.
  const std::shared_ptr<WriteFile>& file() const { return file_; }

 private:
  SegmentWriter(std::string directory, const FileJournalOptions& options,
                std::unique_ptr<FileLock> lock, SegmentCursor cursor);

  Status CatchUp();
  Status CheckStillThere() const;
  Status Cut(const Suspect& suspect);
  Status UseSegment();
  bool NeedsSegment(std::size_t payload_bytes) const;
  Status AppendFrame(std::span<const std::byte> payload);
  Status AppendSegment(std::span<const std::byte> payload);
  Result<std::unique_ptr<WriteFile>> OpenSegmentFile(Offset first, IfMissing if_missing) const;
  Status SyncSegment();
  std::string PathOf(Offset first) const;

  std::string directory_;
  FileJournalOptions options_;
  std::unique_ptr<FileLock> lock_;
  SegmentCursor cursor_;  // At the end of the journal, once caught up.
  std::shared_ptr<WriteFile> file_;
  Offset file_first_ = 0;
  std::optional<Error> broken_;  // A sync failed; what was acknowledged may not be durable.
};

}  // namespace ndcao
