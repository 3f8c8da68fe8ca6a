// Torn tails are cut, damage is refused, and nothing is ever read that was not written.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <cstring>
#include <filesystem>
#include <random>
#include <sstream>

#include "ndcao/base/hash.h"
#include "ndcao/journal/file/file_journal.h"
#include "test_records.h"

namespace ndcao {
namespace {

using Bytes = std::vector<std::byte>;
using testing::AllOf;
using testing::HasSubstr;

// A journal of a few segments, kept in memory too, so that a test can spoil it again and again.
class CorruptionTest : public testing::Test {
 protected:
  CorruptionTest() {
    previous_ = spdlog::default_logger();
    auto sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(log_);
    spdlog::set_default_logger(std::make_shared<spdlog::logger>("test", sink));
  }
  ~CorruptionTest() override { spdlog::set_default_logger(previous_); }

  void Write(std::uint64_t records, std::uint64_t segment_bytes) {
    count_ = records;
    options_.fsync = FsyncPolicy::kNever;
    options_.segment_bytes = segment_bytes;
    const auto journal = MustOpen(directory_.path(), options_);
    for (std::uint64_t i = 0; i < records; ++i) ASSERT_TRUE(journal->Append(RecordOf(i)).ok());
    segments_ = ListSegments(directory_.path() + "/journal").value();
    for (const Offset first : segments_) good_.push_back(ReadFile(directory_.Segment(first)));
  }

  void Restore() {
    std::filesystem::remove_all(directory_.path() + "/journal");
    std::filesystem::create_directory(directory_.path() + "/journal");
    OverwriteFile(directory_.path() + "/journal/lock", {});
    for (std::size_t i = 0; i < segments_.size(); ++i) Spoil(i, good_[i]);
  }

  void Spoil(std::size_t segment, const Bytes& bytes) {
    OverwriteFile(directory_.Segment(segments_[segment]), bytes);
  }

  // Opens and reads everything. On success: the number of records, each checked to be the one that
  // was written.
  Result<std::uint64_t> Records(OpenMode mode) {
    FileJournalOptions options = options_;
    options.mode = mode;
    NDCAO_ASSIGN(const auto journal, FileJournal::Open(directory_.path(), options));
    std::uint64_t next = 0;
    for (;;) {
      NDCAO_ASSIGN(const auto entries, journal->Read(next, 9, std::chrono::milliseconds(0)));
      if (entries.empty()) return next;
      for (const Entry& entry : entries) {
        EXPECT_EQ(entry.offset, next);
        EXPECT_TRUE(SameBits(entry.record, RecordOf(next))) << "silently different";
        ++next;
      }
    }
  }

  // Where the frames of a segment begin, and where the last one ends.
  std::vector<std::size_t> FramesOf(std::size_t segment) const {
    std::vector<std::size_t> at = {kSegmentHeaderBytes};
    while (at.back() < good_[segment].size()) {
      std::uint32_t length = 0;
      std::memcpy(&length, &good_[segment][at.back()], sizeof(length));
      at.push_back(at.back() + kFrameHeadBytes + length);
    }
    return at;
  }

  // The header of a segment with one of its fields changed and its checksum made right again.
  Bytes WithHeader(std::size_t segment, std::size_t at, std::byte value) const {
    Bytes bytes = good_[segment];
    bytes[at] = value;
    const std::uint64_t checksum = Hash64(std::span(bytes).first(40));
    std::memcpy(&bytes[40], &checksum, sizeof(checksum));
    return bytes;
  }

  TempDirectory directory_;
  FileJournalOptions options_;
  std::uint64_t count_ = 0;
  std::vector<Offset> segments_;
  std::vector<Bytes> good_;
  std::ostringstream log_;
  std::shared_ptr<spdlog::logger> previous_;
};

// A crash at every byte: reopening finds exactly the whole records, and goes on behind them.
TEST_F(CorruptionTest, CutAtEveryByteKeepsTheWholeRecords) {
  Write(15, 1 << 20);
  ASSERT_EQ(segments_.size(), 1U);
  const std::vector<std::size_t> frames = FramesOf(0);
  for (std::size_t size = 0; size <= good_[0].size(); ++size) {
    Restore();
    std::filesystem::resize_file(directory_.Segment(0), size);
    const auto whole = static_cast<std::uint64_t>(
        std::count_if(frames.begin() + 1, frames.end(), [&](auto end) { return end <= size; }));
    EXPECT_EQ(Records(OpenMode::kReadOnly).value(), whole) << size;
    EXPECT_EQ(std::filesystem::file_size(directory_.Segment(0)), size);
    EXPECT_EQ(Records(OpenMode::kExisting).value(), whole) << size;
    const auto journal = MustOpen(directory_.path(), options_);
    EXPECT_EQ(journal->TornTail().value(), 0U);
    for (std::uint64_t i = whole; i < count_; ++i) {
      EXPECT_EQ(journal->Append(RecordOf(i)).value(), i) << size;
    }
    EXPECT_EQ(ReadFile(directory_.Segment(0)), good_[0]) << size;
  }
}

// The same in the last of several segments, whose creation may be torn too; and garbage instead of
// nothing behind the whole records.
TEST_F(CorruptionTest, TornLastSegmentIsCut) {
  Write(30, 400);
  const std::size_t last = segments_.size() - 1;
  ASSERT_GE(last, 3U);
  const std::vector<std::size_t> frames = FramesOf(last);
  for (std::size_t size = 0; size < good_[last].size(); ++size) {
    Bytes torn(good_[last].begin(), good_[last].begin() + static_cast<std::ptrdiff_t>(size));
    if (size % 3 == 1) torn.resize(size + 50);
    if (size % 3 == 2) torn.resize(size + 50, std::byte{0x5a});
    Restore();
    Spoil(last, torn);
    // The garbage may happen to be what was there.
    const auto same = static_cast<std::size_t>(
        std::mismatch(torn.begin(), torn.end(), good_[last].begin(), good_[last].end()).first -
        torn.begin());
    const auto whole = static_cast<std::uint64_t>(
        std::count_if(frames.begin() + 1, frames.end(), [&](auto end) { return end <= same; }));
    EXPECT_EQ(Records(OpenMode::kReadOnly).value(), segments_[last] + whole) << size;
    const auto journal = MustOpen(directory_.path(), options_);
    for (std::uint64_t i = segments_[last] + whole; i < count_; ++i) {
      EXPECT_EQ(journal->Append(RecordOf(i)).value(), i) << size;
    }
    EXPECT_EQ(Records(OpenMode::kReadOnly).value(), count_) << size;
    EXPECT_EQ(ReadFile(directory_.Segment(segments_[last])), good_[last]) << size;
  }
}

TEST_F(CorruptionTest, CuttingWarnsOfWhatWasDropped) {
  Write(10, 1 << 20);
  const std::size_t begin = FramesOf(0)[9];
  std::filesystem::resize_file(directory_.Segment(0), begin + 5);
  FileJournalOptions read_only;
  read_only.mode = OpenMode::kReadOnly;
  EXPECT_EQ(MustOpen(directory_.path(), read_only)->TornTail().value(), 5U);
  EXPECT_EQ(log_.str(), "");
  MustOpen(directory_.path(), options_);
  EXPECT_THAT(log_.str(), AllOf(HasSubstr(directory_.Segment(0)), HasSubstr("dropped 5 bytes"),
                                HasSubstr("unfinished record 9")));
}

// A reader that is there first sees nothing behind the whole records, then what the next writer
// appends in place of the torn tail.
TEST_F(CorruptionTest, AReaderWaitsWhileTheTailIsTorn) {
  Write(10, 1 << 20);
  FileJournalOptions read_only;
  read_only.mode = OpenMode::kReadOnly;
  std::filesystem::resize_file(directory_.Segment(0), FramesOf(0)[9] + 5);
  const auto reader = MustOpen(directory_.path(), read_only);
  for (int i = 0; i < 200; ++i) {
    EXPECT_TRUE(reader->Read(9, 1, std::chrono::milliseconds(0)).value().empty());
  }
  ASSERT_TRUE(MustOpen(directory_.path(), options_)->Append(RecordOf(9)).ok());
  EXPECT_EQ(reader->Read(9, 1, std::chrono::milliseconds(100)).value().size(), 1U);
}

// 1,000 random single bytes, for a reader and for a writer. Detected: refused as damage; or, in the
// last record only, taken for a torn tail and cut. Never other records, never a crash.
TEST_F(CorruptionTest, EverySingleByteIsDetected) {
  Write(40, 700);
  std::mt19937 random(20240229);
  const std::size_t last = segments_.size() - 1;
  const std::size_t last_frame = *(FramesOf(last).rbegin() + 1);
  int refused = 0;
  for (int i = 0; i < 1000; ++i) {
    const std::size_t segment = random() % segments_.size();
    const std::size_t at = random() % good_[segment].size();
    Bytes bad = good_[segment];
    bad[at] ^= static_cast<std::byte>(1 + random() % 255);
    Restore();
    Spoil(segment, bad);
    const bool in_last_frame = segment == last && at >= last_frame;
    for (const OpenMode mode : {OpenMode::kReadOnly, OpenMode::kExisting}) {
      const Result<std::uint64_t> records = Records(mode);
      if (in_last_frame) {
        ASSERT_TRUE(records.ok()) << records.error().message();
        ASSERT_EQ(records.value(), count_ - 1) << "byte " << at;
        continue;
      }
      ASSERT_FALSE(records.ok()) << "segment " << segment << " byte " << at;
      EXPECT_EQ(records.error().code(), ErrorCode::kCorrupt);
      EXPECT_THAT(records.error().message(), HasSubstr(directory_.Segment(segments_[segment])));
      ++refused;
    }
  }
  EXPECT_GT(refused, 1800);
}

TEST_F(CorruptionTest, DamageIsNamedByFileByteRecordAndReason) {
  Write(10, 1 << 20);
  const std::size_t begin = FramesOf(0)[4];
  Bytes bad = good_[0];
  bad[begin + 1] ^= std::byte{0x80};  // The length: far more than the file has.
  Spoil(0, bad);
  for (const OpenMode mode : {OpenMode::kReadOnly, OpenMode::kExisting}) {
    EXPECT_THAT(
        Records(mode).error().message(),
        AllOf(HasSubstr("journal segment '" + directory_.Segment(0) + "' is damaged"),
              HasSubstr("at byte " + std::to_string(begin) + " (record 4)"),
              HasSubstr("a whole record follows at byte " + std::to_string(FramesOf(0)[5]))));
  }
  EXPECT_EQ(ReadFile(directory_.Segment(0)), bad) << "nothing may be cut";
}

TEST_F(CorruptionTest, DamageThatAppearsWhileAJournalIsOpenIsRefusedToo) {
  Write(10, 1 << 20);
  const auto journal = MustOpen(directory_.path(), options_);
  Bytes bad = good_[0];
  bad[FramesOf(0)[4] + 20] ^= std::byte{1};
  Spoil(0, bad);
  EXPECT_EQ(journal->Read(0, 100, {}).value().size(), 4U);
  EXPECT_EQ(journal->Read(4, 100, {}).error().code(), ErrorCode::kCorrupt);
}

TEST_F(CorruptionTest, AMissingOrShortenedSegmentIsRefused) {
  Write(40, 500);
  for (std::size_t segment = 0; segment + 1 < segments_.size(); ++segment) {
    Restore();
    std::filesystem::remove(directory_.Segment(segments_[segment]));
    for (const OpenMode mode : {OpenMode::kReadOnly, OpenMode::kExisting}) {
      EXPECT_EQ(Records(mode).error().code(), ErrorCode::kCorrupt) << segment;
    }
    const std::vector<std::size_t> frames = FramesOf(segment);
    for (const std::size_t size : {frames.back() - 1, *(frames.rbegin() + 1), std::size_t{10}}) {
      Restore();
      std::filesystem::resize_file(directory_.Segment(segments_[segment]), size);
      for (const OpenMode mode : {OpenMode::kReadOnly, OpenMode::kExisting}) {
        EXPECT_EQ(Records(mode).error().code(), ErrorCode::kCorrupt) << segment << " " << size;
      }
    }
  }
}

// Headers that are intact but of another place, history or run.
TEST_F(CorruptionTest, AHeaderThatDoesNotFitIsRefused) {
  Write(40, 500);
  for (const std::size_t at : {16, 24, 32}) {  // Spec hash, first offset, chain.
    for (std::size_t segment = 0; segment < segments_.size(); ++segment) {
      Restore();
      Spoil(segment, WithHeader(segment, at, good_[segment][at] ^ std::byte{1}));
      const Result<std::uint64_t> records = Records(OpenMode::kReadOnly);
      ASSERT_FALSE(records.ok()) << at << " " << segment;
      EXPECT_EQ(records.error().code(), ErrorCode::kCorrupt) << at << " " << segment;
    }
  }
}

TEST_F(CorruptionTest, AnotherFormatVersionIsRefusedByName) {
  Write(40, 500);
  for (const std::size_t segment : {std::size_t{0}, segments_.size() - 1}) {
    Restore();
    Spoil(segment, WithHeader(segment, 8, std::byte{9}));
    for (const OpenMode mode : {OpenMode::kReadOnly, OpenMode::kExisting}) {
      const Result<std::uint64_t> records = Records(mode);
      ASSERT_FALSE(records.ok());
      EXPECT_EQ(records.error().code(), ErrorCode::kInvalid);
      EXPECT_THAT(records.error().message(),
                  AllOf(HasSubstr(directory_.Segment(segments_[segment])),
                        HasSubstr("format version 9, this program reads version 1")));
    }
  }
}

TEST_F(CorruptionTest, AWriterCutsWhatAnotherLeftWhileBothAreOpen) {
  Write(10, 1 << 20);
  const auto journal = MustOpen(directory_.path(), options_);
  Bytes torn = good_[0];
  torn.resize(torn.size() + 7, std::byte{3});
  Spoil(0, torn);
  EXPECT_EQ(journal->Append(RecordOf(10)).value(), 10U);
  EXPECT_EQ(Records(OpenMode::kReadOnly).value(), 11U);
  EXPECT_THAT(log_.str(), HasSubstr("dropped 7 bytes"));
}

}  // namespace
}  // namespace ndcao
