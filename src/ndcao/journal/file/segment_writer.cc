#include "ndcao/journal/file/segment_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <limits>

#include "ndcao/base/hash.h"
#include "ndcao/base/log.h"

namespace ndcao {
namespace {

constexpr std::uint64_t kAll = std::numeric_limits<std::uint64_t>::max();

constexpr char kNotDurable[] =
    "acknowledged records may not survive a power cut, resume the run to go on";

// The last segment, or the one before if the last has no record yet.
Result<Position> FindStart(const std::string& directory, const std::vector<Offset>& segments) {
  if (segments.empty()) return Position::AtSegment(0);
  if (segments.size() > 1) {
    NDCAO_ASSIGN(const bool begun, HasRecord(directory, segments.back()));
    if (!begun) return Position::AtSegment(segments[segments.size() - 2]);
  }
  return Position::AtSegment(segments.back());
}

}  // namespace

SegmentWriter::SegmentWriter(std::string directory, const FileJournalOptions& options,
                             std::unique_ptr<FileLock> lock, SegmentCursor cursor)
    : directory_(std::move(directory)),
      options_(options),
      lock_(std::move(lock)),
      cursor_(std::move(cursor)) {}

Result<std::unique_ptr<SegmentWriter>> SegmentWriter::Open(const std::string& directory,
                                                           const std::vector<Offset>& segments,
                                                           const FileJournalOptions& options) {
  NDCAO_ASSIGN(auto lock, FileLock::Open(directory + "/lock", O_RDWR | O_CREAT));
  NDCAO_ASSIGN(const Position start, FindStart(directory, segments));
  std::unique_ptr<SegmentWriter> writer(
      new SegmentWriter(directory, options, std::move(lock), SegmentCursor(directory, start)));
  // The long way without the lock, so that others can go on appending.
  NDCAO_TRY(writer->cursor_.Advance(kAll));
  NDCAO_ASSIGN(const auto guard, writer->lock_->Exclusive());
  NDCAO_TRY(writer->CatchUp());
  NDCAO_ASSIGN(const std::vector<Offset> now, ListSegments(directory));
  const Position& end = writer->cursor_.position();
  if (!now.empty() && now.back() > end.segment) {
    return Damaged(directory,
                   {end.segment, end.byte, end.offset,
                    "the records up to segment " + SegmentName(now.back()) + " are missing"});
  }
  return writer;
}

Result<Offset> SegmentWriter::Append(std::span<const std::byte> payload) {
  if (broken_) return *broken_;
  NDCAO_ASSIGN(const auto guard, lock_->Exclusive());
  NDCAO_TRY(CatchUp());
  const Offset offset = cursor_.position().offset;
  const Status appended =
      NeedsSegment(payload.size()) ? AppendSegment(payload) : AppendFrame(payload);
  if (!appended.ok()) {
    return appended.error().Context(
        fmt::format("record {} was not appended to the journal", offset));
  }
  return offset;
}

// Takes in what others appended, cuts what one of them left unfinished. Under the lock.
Status SegmentWriter::CatchUp() {
  NDCAO_TRY(CheckStillThere());
  constexpr int kMaxCuts = 2;
  for (int cuts = 0;; ++cuts) {
    NDCAO_ASSIGN(const Stop stop, cursor_.Advance(kAll));
    if (stop == Stop::kEnd) return UseSegment();
    if (cuts == kMaxCuts) return Damaged(directory_, cursor_.suspect());
    NDCAO_TRY(Cut(cursor_.suspect()));
  }
}

Status SegmentWriter::CheckStillThere() const {
  if (cursor_.file() == nullptr) return Ok();
  const SegmentFile& file = *cursor_.file();
  struct stat info {};
  if (::fstat(file.fd.get(), &info) != 0) return IoError("stat", file.path, errno);
  if (info.st_nlink == 0) {
    return Failed(fmt::format("journal segment '{}' was removed while in use", file.path));
  }
  if (static_cast<std::uint64_t>(info.st_size) < cursor_.position().byte) {
    return Damaged(directory_, {cursor_.position().segment, cursor_.position().byte,
                                cursor_.position().offset, "records before it were cut off"});
  }
  return Ok();
}

// Drops a torn tail; refuses damage.
Status SegmentWriter::Cut(const Suspect& suspect) {
  NDCAO_ASSIGN(std::uint64_t bytes, TornBytes(directory_, suspect));
  const std::string path = PathOf(suspect.segment);
  if (suspect.byte <= kSegmentHeaderBytes) {
    bytes += suspect.byte;
    if (::unlink(path.c_str()) != 0) return IoError("remove the unfinished", path, errno);
  } else {
    NDCAO_ASSIGN(const auto file, OpenSegmentFile(suspect.segment, IfMissing::kFail));
    NDCAO_TRY(file->Truncate(suspect.byte));
  }
  if (bytes == 0) return Ok();
  spdlog::warn(
      "journal segment '{}': dropped {} bytes at byte {}, an unfinished record {} ({}); the {} "
      "records before it are intact",
      path, bytes, suspect.byte, suspect.offset, suspect.reason, suspect.offset);
  return Ok();
}

// Opens the cursor's segment for writing. One that somebody else left behind was synced by whoever
// created the next.
Status SegmentWriter::UseSegment() {
  if (cursor_.file() == nullptr) return Ok();
  const Offset first = cursor_.position().segment;
  if (file_ != nullptr && file_first_ == first) return Ok();
  NDCAO_ASSIGN(file_, OpenSegmentFile(first, IfMissing::kFail));
  file_first_ = first;
  return Ok();
}

bool SegmentWriter::NeedsSegment(std::size_t payload_bytes) const {
  const std::uint64_t end = cursor_.position().byte + kFrameHeadBytes + payload_bytes;
  return cursor_.file() == nullptr || end > options_.segment_bytes;
}

Status SegmentWriter::AppendFrame(std::span<const std::byte> payload) {
  const Position& end = cursor_.position();
  const std::vector<std::byte> frame = EncodeFrame(end.offset, payload);
  Status written = file_->WriteAt(end.byte, frame);
  if (!written.ok()) {
    const Status cut = file_->Truncate(end.byte);
    if (!cut.ok()) spdlog::warn("{}; the next append will try again", cut.error().message());
    return written;
  }
  cursor_.Pass(Hash64(payload), frame.size());
  return Ok();
}

Status SegmentWriter::AppendSegment(std::span<const std::byte> payload) {
  NDCAO_TRY(SyncSegment());
  const Position& end = cursor_.position();
  const SegmentHeader header = {
      end.offset == 0 ? Hash64(payload) : cursor_.file()->header.spec_hash, end.offset, end.chain};
  std::vector<std::byte> bytes = EncodeSegmentHeader(header);
  const std::vector<std::byte> frame = EncodeFrame(end.offset, payload);
  bytes.insert(bytes.end(), frame.begin(), frame.end());
  NDCAO_ASSIGN(std::shared_ptr<WriteFile> file, OpenSegmentFile(end.offset, IfMissing::kCreate));
  Status status = SyncDirectory(directory_);
  if (status.ok()) status = file->WriteAt(0, bytes);
  if (!status.ok()) {
    ::unlink(PathOf(end.offset).c_str());  // If that fails too, it is a torn creation.
    return status;
  }
  file_ = std::move(file);
  file_first_ = end.offset;
  // The record is in, whatever comes of this; what fails here fails again in the next CatchUp.
  (void)cursor_.Advance(1);
  return Ok();
}

Result<std::unique_ptr<WriteFile>> SegmentWriter::OpenSegmentFile(Offset first,
                                                                  IfMissing if_missing) const {
  NDCAO_ASSIGN(auto file, OpenWriteFile(PathOf(first), if_missing));
  if (!options_.wrap_file) return file;
  return options_.wrap_file(std::move(file));
}

Status SegmentWriter::SyncSegment() {
  if (file_ == nullptr) return Ok();
  const Status synced = file_->Sync();
  if (synced.ok()) return Ok();
  broken_ = synced.error().Context(kNotDurable);
  return *broken_;
}

std::string SegmentWriter::PathOf(Offset first) const {
  return directory_ + "/" + SegmentName(first);
}

}  // namespace ndcao
