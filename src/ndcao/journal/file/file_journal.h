// A journal in files (`file:DIR`), as docs/formats/journal.md has it: what was acknowledged is
// there after the process is killed, and after a power cut as far as the fsync policy says.
//
//   FileJournalOptions options;
//   options.fsync = FsyncPolicy::kAlways;
//   NDCAO_ASSIGN(auto journal, FileJournal::Open("runs/a", options));
//   NDCAO_ASSIGN(Offset offset, journal->Append(record));
//
// Any number of threads, of journals and of processes on one machine may append to and read from
// one directory. After fork() the child opens its own.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "ndcao/journal/file/group_sync.h"
#include "ndcao/journal/file/journal_reader.h"
#include "ndcao/journal/file/segment_writer.h"
#include "ndcao/journal/journal.h"

namespace ndcao {

class FileJournal : public Journal {
 public:
  /// Opens the journal in `run_directory`/journal. Cuts a torn tail with a warning, unless for
  /// reading only. kInvalid: the directory, its permissions, an option, another format version;
  /// kCorrupt: damage, with the file, the byte and the record.
  static Result<std::unique_ptr<FileJournal>> Open(const std::string& run_directory,
                                                   const FileJournalOptions& options);

  /// kInvalid if the record is too large or the journal read-only. After a failed write (disk
  /// full) the record is not in the journal and a later append may succeed; after a failed sync
  /// the message says so, and all later appends fail.
  Result<Offset> Append(const Record& record) override;

  /// Sees the records of other processes within a few milliseconds.
  Result<std::vector<Entry>> Read(Offset from, std::size_t max,
                                  std::chrono::milliseconds wait) override;

  /// Size of the segment files, headers included; 0 if they cannot be listed.
  std::uint64_t bytes() const override;

  /// Number of records that can be read by now, up to the end, a torn tail or damage.
  Result<Offset> End();

  /// The hash chain at `offset`; kInvalid if the journal has fewer records. Reads at most two
  /// segments. To check a snapshot.
  Result<std::uint64_t> ChainAt(Offset offset);

  /// Hash64 of record 0; kInvalid while there is none.
  Result<std::uint64_t> SpecHash() const;

  /// Bytes behind the last record that are a torn tail: 0 in a journal that is intact and that
  /// nobody is appending to. kCorrupt if they are damage.
  Result<std::uint64_t> TornTail() { return reader_->TornTail(); }

 private:
  FileJournal(std::string directory, const FileJournalOptions& options,
              std::unique_ptr<SegmentWriter> writer, std::unique_ptr<JournalReader> reader);

  const std::string directory_;
  const std::unique_ptr<SegmentWriter> writer_;  // Null if read-only.
  const std::unique_ptr<JournalReader> reader_;
  std::mutex write_mutex_;  // Guards writer_, and the order of sync_'s tickets.
  std::mutex grown_mutex_;
  std::condition_variable grown_;  // Somebody in this object appended.
  std::unique_ptr<GroupSync> sync_;
};

}  // namespace ndcao
