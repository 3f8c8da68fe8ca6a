#include "ndcao/journal/file/file_journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <filesystem>
#include <thread>

#include "ndcao/base/hash.h"
#include "test_records.h"

namespace ndcao {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

FileJournalOptions SmallSegments(std::uint64_t bytes) {
  FileJournalOptions options;
  options.fsync = FsyncPolicy::kNever;
  options.segment_bytes = bytes;
  return options;
}

void AppendRecords(Journal& journal, std::uint64_t from, std::uint64_t to) {
  for (std::uint64_t i = from; i < to; ++i) {
    const Result<Offset> offset = journal.Append(RecordOf(i));
    ASSERT_TRUE(offset.ok()) << offset.error().message();
    EXPECT_EQ(offset.value(), i);
  }
}

void ExpectRecords(Journal& journal, std::uint64_t count) {
  const Result<std::vector<Entry>> all = ReadAll(journal);
  ASSERT_TRUE(all.ok()) << all.error().message();
  ASSERT_EQ(all.value().size(), count);
  for (const Entry& entry : all.value()) {
    EXPECT_TRUE(SameBits(entry.record, RecordOf(entry.offset))) << entry.offset;
  }
}

TEST(FileJournal, KeepsRecordsOverReopeningAndSegments) {
  const TempDirectory directory;
  for (std::uint64_t run = 0; run < 5; ++run) {
    const auto journal = MustOpen(directory.path(), SmallSegments(100 + 200 * run));
    ASSERT_NE(journal, nullptr);
    AppendRecords(*journal, 20 * run, 20 * run + 20);
    ExpectRecords(*journal, 20 * run + 20);
    EXPECT_EQ(journal->End().value(), 20 * run + 20);
  }
  const auto segments = ListSegments(directory.path() + "/journal");
  ASSERT_TRUE(segments.ok());
  EXPECT_GT(segments.value().size(), 20U);
}

RC_GTEST_PROP(FileJournal, ReturnsWhatWasAppended, ()) {
  const auto records = *rc::gen::container<std::vector<Record>>(AnyRecord());
  const TempDirectory directory;
  {
    const auto journal = MustOpen(directory.path(), SmallSegments(*rc::gen::inRange(64, 1000)));
    for (const Record& record : records) RC_ASSERT(journal->Append(record).ok());
  }
  FileJournalOptions options;
  options.mode = OpenMode::kReadOnly;
  const auto all = ReadAll(*MustOpen(directory.path(), options));
  RC_ASSERT(all.ok());
  RC_ASSERT(all.value().size() == records.size());
  for (std::size_t i = 0; i < records.size(); ++i) {
    RC_ASSERT(SameBits(all.value()[i].record, records[i]));
  }
}

// 3,000 records over many segments pass the reader's index several times.
TEST(FileJournal, ReadsFromAnyOffsetInAnyOrder) {
  const TempDirectory directory;
  AppendRecords(*MustOpen(directory.path(), SmallSegments(4000)), 0, 3000);
  const auto journal = MustOpen(directory.path(), SmallSegments(4000));
  for (std::uint64_t i = 0; i < 300; ++i) {
    const Offset from = i * 7919 % 3000;
    const auto entries = journal->Read(from, 5, milliseconds(0));
    ASSERT_TRUE(entries.ok()) << entries.error().message();
    ASSERT_EQ(entries.value().size(), std::min<std::size_t>(5, 3000 - from));
    for (std::size_t k = 0; k < entries.value().size(); ++k) {
      EXPECT_EQ(entries.value()[k].offset, from + k);
      EXPECT_TRUE(SameBits(entries.value()[k].record, RecordOf(from + k)));
    }
  }
  EXPECT_TRUE(journal->Read(3000, 5, milliseconds(0)).value().empty());
  EXPECT_TRUE(journal->Read(99999, 5, milliseconds(0)).value().empty());
  EXPECT_TRUE(journal->Read(0, 0, milliseconds(0)).value().empty());
}

TEST(FileJournal, GivesTheChainAtEveryOffset) {
  const TempDirectory directory;
  const auto writer = MustOpen(directory.path(), SmallSegments(500));
  AppendRecords(*writer, 0, 60);
  const auto entries = ReadAll(*writer);
  const auto journal = MustOpen(directory.path(), SmallSegments(500));
  std::uint64_t chain = 0;
  for (const Entry& entry : entries.value()) {
    EXPECT_EQ(journal->ChainAt(entry.offset).value(), chain) << entry.offset;
    chain = ChainHash(chain, entry.hash);
  }
  EXPECT_EQ(journal->ChainAt(60).value(), chain);
  EXPECT_EQ(MustOpen(directory.path())->ChainAt(60).value(), chain);
  EXPECT_EQ(journal->ChainAt(61).error().code(), ErrorCode::kInvalid);
  EXPECT_EQ(journal->SpecHash().value(), entries.value()[0].hash);
}

TEST(FileJournal, TakesFewBytes) {
  const TempDirectory directory;
  const auto journal = MustOpen(directory.path());
  ASSERT_TRUE(journal->Append(SpecRecord{}).ok());
  for (const std::size_t losses : {1, 2, 16, 17, 32, 64, 1000}) {
    const std::uint64_t before = journal->bytes();
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(journal->Append(GroupOf(1, losses)).ok());
    const double each = static_cast<double>(journal->bytes() - before) / 10;
    const double allowed = losses == 1    ? 96
                           : losses >= 16 ? 8.0 * static_cast<double>(losses)
                                          : 128;
    EXPECT_LE(each, allowed) << losses;
  }
}

TEST(FileJournal, BeginsASegmentBeforeItGrowsTooLarge) {
  const TempDirectory directory;
  AppendRecords(*MustOpen(directory.path(), SmallSegments(400)), 0, 100);
  const auto segments = ListSegments(directory.path() + "/journal").value();
  EXPECT_GT(segments.size(), 5U);
  for (const Offset first : segments) {
    EXPECT_LE(std::filesystem::file_size(directory.Segment(first)), 400U);
  }
}

TEST(FileJournal, ReadWaitsForAnAppend) {
  const TempDirectory directory;
  const auto journal = MustOpen(directory.path());
  const auto other = MustOpen(directory.path());
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(journal->Read(0, 1, milliseconds(30)).value().empty());
  EXPECT_GE(std::chrono::steady_clock::now() - begin, milliseconds(30));
  for (Journal* appender : {journal.get(), other.get()}) {
    const Offset offset = journal->End().value();
    std::thread later([&] {
      std::this_thread::sleep_for(milliseconds(10));
      EXPECT_TRUE(appender->Append(RecordOf(offset)).ok());
    });
    const auto entries = journal->Read(offset, 1, milliseconds::max());
    later.join();
    ASSERT_EQ(entries.value().size(), 1U);
    EXPECT_TRUE(SameBits(entries.value()[0].record, RecordOf(offset)));
  }
}

TEST(FileJournal, RefusesBadOptions) {
  const TempDirectory directory;
  FileJournalOptions options;
  options.interval = milliseconds(0);
  EXPECT_THAT(FileJournal::Open(directory.path(), options).error().message(),
              HasSubstr("interval is 0 ms; allowed are 1 to 60000"));
  options = {};
  options.segment_bytes = 10;
  EXPECT_THAT(FileJournal::Open(directory.path(), options).error().message(),
              HasSubstr("segment_bytes is 10"));
  EXPECT_EQ(ParseFsyncPolicy("always").value(), FsyncPolicy::kAlways);
  EXPECT_EQ(ParseFsyncPolicy("interval").value(), FsyncPolicy::kInterval);
  EXPECT_EQ(ParseFsyncPolicy("never").value(), FsyncPolicy::kNever);
  EXPECT_THAT(ParseFsyncPolicy("sometimes").error().message(),
              HasSubstr("'sometimes' is unknown; allowed are always, interval, never"));
}

TEST(FileJournal, RefusesDirectoriesItCannotUse) {
  const TempDirectory directory;
  FileJournalOptions existing;
  existing.mode = OpenMode::kExisting;
  FileJournalOptions read_only;
  read_only.mode = OpenMode::kReadOnly;
  const std::string missing = directory.path() + "/none";
  for (const FileJournalOptions& options : {existing, read_only}) {
    const auto journal = FileJournal::Open(missing, options);
    ASSERT_FALSE(journal.ok());
    EXPECT_EQ(journal.error().code(), ErrorCode::kInvalid);
    EXPECT_THAT(journal.error().message(), HasSubstr("there is no run in '" + missing + "'"));
  }
  EXPECT_FALSE(std::filesystem::exists(missing));
  const std::string file = directory.path() + "/file";
  OverwriteFile(file, {std::byte{1}});
  const auto in_file = FileJournal::Open(file, {});
  ASSERT_FALSE(in_file.ok());
  EXPECT_EQ(in_file.error().code(), ErrorCode::kInvalid);
  EXPECT_THAT(in_file.error().message(), HasSubstr(file));
  // Nobody can create files there, root included.
  const auto in_proc = FileJournal::Open("/proc/ndcao", {});
  ASSERT_FALSE(in_proc.ok());
  EXPECT_THAT(in_proc.error().message(), HasSubstr("cannot create the directory '/proc/ndcao"));
}

TEST(FileJournal, ReadsAReadOnlyDirectoryAndDoesNotWrite) {
  const TempDirectory directory;
  AppendRecords(*MustOpen(directory.path()), 0, 10);
  namespace fs = std::filesystem;
  fs::permissions(directory.path() + "/journal", fs::perms::owner_read | fs::perms::owner_exec);
  FileJournalOptions options;
  options.mode = OpenMode::kReadOnly;
  const auto journal = MustOpen(directory.path(), options);
  ExpectRecords(*journal, 10);
  const Result<Offset> appended = journal->Append(RecordOf(10));
  ASSERT_FALSE(appended.ok());
  EXPECT_THAT(appended.error().message(), HasSubstr("open for reading only"));
  fs::permissions(directory.path() + "/journal", fs::perms::owner_all);
  fs::remove(directory.path() + "/journal/lock");  // As in a copy that somebody made.
  ExpectRecords(*MustOpen(directory.path(), options), 10);
}

TEST(FileJournal, OpensAnEmptyJournal) {
  const TempDirectory directory;
  MustOpen(directory.path());
  FileJournalOptions options;
  options.mode = OpenMode::kExisting;
  const auto journal = MustOpen(directory.path(), options);
  EXPECT_EQ(journal->bytes(), 0U);
  EXPECT_EQ(journal->End().value(), 0U);
  EXPECT_EQ(journal->ChainAt(0).value(), 0U);
  EXPECT_FALSE(journal->SpecHash().ok());
  EXPECT_EQ(journal->TornTail().value(), 0U);
}

TEST(FileJournal, RefusesARecordThatIsTooLarge) {
  const TempDirectory directory;
  const auto journal = MustOpen(directory.path());
  const Result<Offset> offset = journal->Append(JoinRecord{std::string(17 << 20, 'x')});
  ASSERT_FALSE(offset.ok());
  EXPECT_EQ(offset.error().code(), ErrorCode::kInvalid);
  const JoinRecord largest{std::string(kMaxPayloadBytes - 5, 'x')};
  ASSERT_TRUE(journal->Append(largest).ok());
  ASSERT_TRUE(journal->Append(RecordOf(1)).ok());
  const auto all = ReadAll(*journal);
  ASSERT_EQ(all.value().size(), 2U);
  EXPECT_TRUE(SameBits(all.value()[0].record, largest));
}

TEST(FileJournal, FailsWhenItsFilesAreRemovedOrCut) {
  const TempDirectory directory;
  const auto journal = MustOpen(directory.path());
  AppendRecords(*journal, 0, 10);
  std::filesystem::resize_file(directory.Segment(0), 100);
  EXPECT_EQ(journal->Append(RecordOf(10)).error().code(), ErrorCode::kCorrupt);
  std::filesystem::remove_all(directory.path() + "/journal");
  const Result<Offset> offset = journal->Append(RecordOf(10));
  ASSERT_FALSE(offset.ok());
  EXPECT_THAT(offset.error().message(), HasSubstr("was removed while in use"));
}

}  // namespace
}  // namespace ndcao
