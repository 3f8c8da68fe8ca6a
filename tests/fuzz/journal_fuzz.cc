// Arbitrary bytes as a record's payload and as a run's only journal segment: decoding may refuse
// them, but never crashes, and never returns what would be written in another way.
//
// The first byte chooses how far the bytes get: as a payload; as a whole segment; behind a good
// header; as the payloads of good frames, with whatever is left behind them.

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "ndcao/base/hash.h"
#include "ndcao/journal/codec.h"
#include "ndcao/journal/file/file_journal.h"

namespace ndcao {
namespace {

using Bytes = std::span<const std::byte>;

// A run directory for this process, removed at its end.
class RunDirectory {
 public:
  RunDirectory() {
    spdlog::set_level(spdlog::level::off);
    path_ = std::filesystem::is_directory("/dev/shm") ? "/dev/shm" : "/tmp";
    path_ += "/ndcao_fuzz_XXXXXX";
    NDCAO_CHECK(::mkdtemp(path_.data()) != nullptr);
  }
  ~RunDirectory() { std::filesystem::remove_all(path_); }

  static const std::string& Path() {
    static const RunDirectory directory;
    return directory.path_;
  }

 private:
  std::string path_;
};

void FuzzPayload(Bytes bytes) {
  const Result<Record> record = DecodeRecord(bytes);
  if (!record.ok()) return;
  NDCAO_CHECK(std::ranges::equal(EncodeRecord(record.value()), bytes));
}

void WriteSegment(const std::vector<std::byte>& bytes) {
  const std::string directory = RunDirectory::Path() + "/journal";
  std::filesystem::remove_all(directory);
  std::filesystem::create_directory(directory);
  const auto fd = OpenFile(directory + "/" + SegmentName(0), O_WRONLY | O_CREAT);
  NDCAO_CHECK(fd.ok() && WriteAll(fd.value(), directory, bytes).ok());
}

// Reads everything; the number of records, or an error.
Result<Offset> ReadThrough(FileJournal& journal) {
  Offset next = 0;
  for (;;) {
    NDCAO_ASSIGN(const auto entries, journal.Read(next, 50, std::chrono::milliseconds(0)));
    if (entries.empty()) return next;
    for (const Entry& entry : entries) NDCAO_CHECK(entry.offset == next++);
  }
}

// A reader and a writer agree on the segment; behind what they find, a writer can go on.
void FuzzSegment(const std::vector<std::byte>& bytes) {
  WriteSegment(bytes);
  FileJournalOptions options;
  options.fsync = FsyncPolicy::kNever;
  options.mode = OpenMode::kReadOnly;
  const auto reader = FileJournal::Open(RunDirectory::Path(), options);
  if (!reader.ok()) return;
  const Result<Offset> read = ReadThrough(*reader.value());
  const bool torn = reader.value()->TornTail().ok();
  options.mode = OpenMode::kExisting;
  const auto writer = FileJournal::Open(RunDirectory::Path(), options);
  if (!writer.ok()) {
    NDCAO_CHECK(!read.ok() && !torn);
    return;
  }
  if (!read.ok()) return;  // A frame that is intact but does not decode.
  const Result<Offset> appended = writer.value()->Append(JoinRecord{"next"});
  NDCAO_CHECK(appended.ok() && appended.value() == read.value());
  const Result<Offset> again = ReadThrough(*writer.value());
  NDCAO_CHECK(again.ok() && again.value() == read.value() + 1);
}

// A segment whose header fits its first record.
std::vector<std::byte> Headed(std::uint64_t spec_hash, Bytes rest) {
  std::vector<std::byte> segment = EncodeSegmentHeader({spec_hash, 0, 0});
  segment.insert(segment.end(), rest.begin(), rest.end());
  return segment;
}

// Good frames whose payloads are cut from the bytes (a length in the first byte of each), then the
// rest as it is.
void FuzzFrames(Bytes bytes) {
  std::vector<std::byte> frames;
  std::uint64_t spec_hash = 0;
  for (Offset offset = 0; bytes.size() > 1; ++offset) {
    const auto length = static_cast<std::size_t>(bytes[0]);
    if (length == 0 || length >= bytes.size()) break;
    const Bytes payload = bytes.subspan(1, length);
    if (offset == 0) spec_hash = Hash64(payload);
    const std::vector<std::byte> frame = EncodeFrame(offset, payload);
    frames.insert(frames.end(), frame.begin(), frame.end());
    bytes = bytes.subspan(1 + length);
  }
  frames.insert(frames.end(), bytes.begin(), bytes.end());
  FuzzSegment(Headed(spec_hash, frames));
}

}  // namespace
}  // namespace ndcao

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ndcao::Bytes bytes = std::as_bytes(std::span(data, size)).subspan(1);
  switch (data[0] % 4) {
    case 0:
      ndcao::FuzzPayload(bytes);
      break;
    case 1:
      ndcao::FuzzSegment({bytes.begin(), bytes.end()});
      break;
    case 2:
      ndcao::FuzzSegment(ndcao::Headed(0, bytes));
      break;
    default:
      ndcao::FuzzFrames(bytes);
  }
  return 0;
}
