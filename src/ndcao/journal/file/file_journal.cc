#include "ndcao/journal/file/file_journal.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <system_error>

#include "ndcao/journal/codec.h"

namespace ndcao {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

// How long a reader sleeps between two looks for records of other processes.
constexpr microseconds kFirstPause{200};
constexpr microseconds kLongestPause{4000};
// Longer waits would overflow the clock's arithmetic.
constexpr milliseconds kLongestWait = std::chrono::hours(24 * 365);

Status PrepareDirectory(const std::string& run_directory, const std::string& directory,
                        OpenMode mode) {
  std::error_code error;
  const bool exists = std::filesystem::is_directory(directory, error);
  if (mode != OpenMode::kCreate) {
    if (exists) return Ok();
    return Invalid(
        fmt::format("there is no run in '{}': it has no directory 'journal'", run_directory));
  }
  if (exists) return Ok();
  NDCAO_TRY(MakeDirectories(directory));
  // Where the parent may not be listed, the run directory's own entry is left to the system.
  (void)SyncDirectory(run_directory + "/..");
  return SyncDirectory(run_directory);
}

// The lock as a reader takes it; null where there is none, since nobody ever wrote.
Result<std::unique_ptr<FileLock>> ReaderLock(const std::string& directory) {
  const std::string path = directory + "/lock";
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return std::unique_ptr<FileLock>();
  return FileLock::Open(path, O_RDONLY);
}

}  // namespace

FileJournal::FileJournal(std::string directory, const FileJournalOptions& options,
                         std::unique_ptr<SegmentWriter> writer,
                         std::unique_ptr<JournalReader> reader)
    : directory_(std::move(directory)), writer_(std::move(writer)), reader_(std::move(reader)) {
  if (writer_) sync_ = std::make_unique<GroupSync>(options.fsync, options.interval);
}

Result<std::unique_ptr<FileJournal>> FileJournal::Open(const std::string& run_directory,
                                                       const FileJournalOptions& options) {
  NDCAO_TRY(options.Validate());
  const std::string directory = run_directory + "/journal";
  NDCAO_TRY(PrepareDirectory(run_directory, directory, options.mode));
  NDCAO_ASSIGN(std::vector<Offset> segments, ListSegments(directory));
  NDCAO_TRY(CheckSegments(directory, segments));
  std::unique_ptr<SegmentWriter> writer;
  if (options.mode != OpenMode::kReadOnly) {
    NDCAO_ASSIGN(writer, SegmentWriter::Open(directory, segments, options));
    NDCAO_ASSIGN(segments, ListSegments(directory));  // It may have removed a torn one.
  }
  NDCAO_ASSIGN(auto lock, ReaderLock(directory));
  NDCAO_ASSIGN(auto reader, JournalReader::Open(directory, segments, std::move(lock)));
  try {
    return std::unique_ptr<FileJournal>(
        new FileJournal(directory, options, std::move(writer), std::move(reader)));
  } catch (const std::system_error& error) {
    return Failed(fmt::format("cannot start the thread that syncs the journal: {}", error.what()));
  }
}

Result<Offset> FileJournal::Append(const Record& record) {
  if (!writer_) return Invalid(fmt::format("journal '{}' is open for reading only", directory_));
  const std::vector<std::byte> payload = EncodeRecord(record);
  if (payload.size() > kMaxPayloadBytes) {
    return Invalid(fmt::format("a record has {} bytes; at most {} fit into the journal",
                               payload.size(), kMaxPayloadBytes));
  }
  std::unique_lock lock(write_mutex_);
  NDCAO_TRY(sync_->status());
  NDCAO_ASSIGN(const Offset offset, writer_->Append(payload));
  const std::uint64_t ticket = sync_->Wrote(writer_->file());
  lock.unlock();
  grown_.notify_all();
  NDCAO_TRY(sync_->Commit(ticket));
  return offset;
}

Result<std::vector<Entry>> FileJournal::Read(Offset from, std::size_t max, milliseconds wait) {
  using Clock = std::chrono::steady_clock;
  if (max == 0) return std::vector<Entry>();
  const Clock::time_point deadline = Clock::now() + std::min(wait, kLongestWait);
  microseconds pause = kFirstPause;
  for (;;) {
    NDCAO_ASSIGN(std::vector<Entry> entries, reader_->Read(from, max));
    const Clock::time_point now = Clock::now();
    if (!entries.empty() || now >= deadline) return entries;
    std::unique_lock lock(grown_mutex_);
    grown_.wait_until(lock, std::min(deadline, now + pause));
    pause = std::min(2 * pause, kLongestPause);
  }
}

std::uint64_t FileJournal::bytes() const {
  const Result<std::vector<Offset>> segments = ListSegments(directory_);
  if (!segments.ok()) return 0;
  std::uint64_t total = 0;
  for (const Offset first : segments.value()) {
    std::error_code error;
    const auto size = std::filesystem::file_size(directory_ + "/" + SegmentName(first), error);
    if (!error) total += size;
  }
  return total;
}

Result<Offset> FileJournal::End() {
  NDCAO_ASSIGN(const Position end, reader_->Find(std::numeric_limits<Offset>::max()));
  return end.offset;
}

Result<std::uint64_t> FileJournal::ChainAt(Offset offset) {
  NDCAO_ASSIGN(const Position position, reader_->Find(offset));
  if (position.offset == offset) return position.chain;
  return Invalid(fmt::format("journal '{}' has {} records; there is no chain hash at {}",
                             directory_, position.offset, offset));
}

Result<std::uint64_t> FileJournal::SpecHash() const {
  NDCAO_ASSIGN(const auto file, OpenSegment(directory_, 0));
  if (file != nullptr) return file->header.spec_hash;
  return Invalid(
      fmt::format("journal '{}' has no record 0, which says what the run is", directory_));
}

}  // namespace ndcao
