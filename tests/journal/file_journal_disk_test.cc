// A disk that is full at byte n, that cannot truncate, that cannot sync.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <cerrno>
#include <thread>

#include "ndcao/journal/file/file_journal.h"
#include "ndcao/journal/file/posix.h"
#include "test_records.h"

namespace ndcao {
namespace {

using testing::HasSubstr;

// How many bytes of one file were written, and how many of them a power cut would leave.
struct Extent {
  std::atomic<std::uint64_t> written{0};
  std::atomic<std::uint64_t> synced{0};
};

struct Disk {
  std::vector<std::shared_ptr<Extent>> files;  // In the order in which they were opened.
  std::atomic<std::int64_t> space{1 << 30};    // Bytes that can still be written.
  std::atomic<bool> truncates{true};
  std::atomic<bool> syncs{true};
};

class FileOnDisk : public WriteFile {
 public:
  FileOnDisk(std::unique_ptr<WriteFile> file, Disk* disk)
      : file_(std::move(file)), disk_(disk), extent_(std::make_shared<Extent>()) {
    disk_->files.push_back(extent_);
  }

  // Writes what fits, then fails: a short write, as a full disk makes it.
  Status WriteAt(std::uint64_t position, std::span<const std::byte> bytes) override {
    const auto size = static_cast<std::int64_t>(bytes.size());
    const std::int64_t fits = std::min(size, disk_->space.load());
    disk_->space -= fits;
    NDCAO_TRY(file_->WriteAt(position, bytes.first(static_cast<std::size_t>(fits))));
    extent_->written = position + static_cast<std::uint64_t>(fits);
    return fits == size ? Ok() : IoError("write", "segment", ENOSPC);
  }
  Status Truncate(std::uint64_t size) override {
    return disk_->truncates ? file_->Truncate(size) : IoError("truncate", "segment", EIO);
  }
  Status Sync() override {
    if (!disk_->syncs) return IoError("sync", "segment", EIO);
    const std::uint64_t size = extent_->written;
    NDCAO_TRY(file_->Sync());
    extent_->synced = size;
    return Ok();
  }

 private:
  std::unique_ptr<WriteFile> file_;
  Disk* disk_;
  std::shared_ptr<Extent> extent_;
};

class DiskTest : public testing::Test {
 protected:
  DiskTest() { spdlog::set_level(spdlog::level::off); }
  ~DiskTest() override { spdlog::set_level(spdlog::level::info); }

  std::unique_ptr<FileJournal> Open(FsyncPolicy fsync = FsyncPolicy::kNever) {
    FileJournalOptions options;
    options.fsync = fsync;
    options.segment_bytes = 300;
    options.wrap_file = [this](std::unique_ptr<WriteFile> file) {
      return std::make_unique<FileOnDisk>(std::move(file), &disk_);
    };
    return MustOpen(directory_.path(), options);
  }

  // Records 0 … count−1 and no others, as this and as another journal see it.
  void ExpectRecords(Journal& journal, std::uint64_t count) {
    FileJournalOptions read_only;
    read_only.mode = OpenMode::kReadOnly;
    const auto other = MustOpen(directory_.path(), read_only);
    for (Journal* reader : {&journal, static_cast<Journal*>(other.get())}) {
      const auto all = ReadAll(*reader);
      ASSERT_TRUE(all.ok()) << all.error().message();
      ASSERT_EQ(all.value().size(), count);
      for (const Entry& entry : all.value()) {
        EXPECT_TRUE(SameBits(entry.record, RecordOf(entry.offset)));
      }
    }
  }

  TempDirectory directory_;
  Disk disk_;
};

// Appends records 0 … 9 until one fails; returns how many went in.
std::uint64_t AppendTen(Journal& journal, std::uint64_t from, std::string* message) {
  for (std::uint64_t i = from; i < 10; ++i) {
    const Result<Offset> offset = journal.Append(RecordOf(i));
    if (!offset.ok()) {
      *message = offset.error().message();
      EXPECT_EQ(offset.error().code(), ErrorCode::kFailed);
      return i;
    }
    EXPECT_EQ(offset.value(), i);
  }
  return 10;
}

// Full at every byte of a journal of ten records in several segments; with and without a working
// truncate; going on in the same process and in another.
TEST_F(DiskTest, FullAtEveryByteLosesNothingAndCanGoOn) {
  for (const bool truncates : {true, false}) {
    for (std::int64_t space = 0;; ++space) {
      directory_.Clear();
      disk_.truncates = truncates;
      disk_.space = space;
      auto journal = Open();
      std::string message;
      const std::uint64_t count = AppendTen(*journal, 0, &message);
      ExpectRecords(*journal, count);
      if (count == 10) break;
      EXPECT_THAT(message, HasSubstr("record " + std::to_string(count) + " was not appended"));
      EXPECT_THAT(message, HasSubstr("No space left on device"));
      disk_.space = 1 << 20;
      disk_.truncates = true;
      if (space % 2 == 0) journal = Open();
      EXPECT_EQ(AppendTen(*journal, count, &message), 10U) << message;
      ExpectRecords(*journal, 10);
      ASSERT_FALSE(HasFailure()) << space;
    }
  }
}

TEST_F(DiskTest, AnotherProcessCutsWhatAFailedWriteLeft) {
  const auto journal = Open();
  const auto other = Open();
  std::string message;
  disk_.truncates = false;
  disk_.space = 200;
  const std::uint64_t count = AppendTen(*journal, 0, &message);
  ASSERT_LT(count, 10U);
  EXPECT_GT(other->TornTail().value(), 0U);
  disk_.space = 1 << 20;
  disk_.truncates = true;
  EXPECT_EQ(AppendTen(*other, count, &message), 10U) << message;
  EXPECT_EQ(other->TornTail().value(), 0U);
  ExpectRecords(*journal, 10);
}

TEST_F(DiskTest, AFailedSyncStopsTheWriterButNotTheRun) {
  for (const FsyncPolicy policy : {FsyncPolicy::kAlways, FsyncPolicy::kInterval}) {
    directory_.Clear();
    auto journal = Open(policy);
    ASSERT_TRUE(journal->Append(RecordOf(0)).ok());
    disk_.syncs = false;
    Result<Offset> failed = journal->Append(RecordOf(1));
    for (int i = 0; i < 100 && failed.ok(); ++i) {  // kInterval: the thread notices.
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      failed = journal->Append(RecordOf(failed.value() + 1));
    }
    ASSERT_FALSE(failed.ok());
    EXPECT_THAT(failed.error().message(), HasSubstr("may not survive a power cut"));
    disk_.syncs = true;
    EXPECT_FALSE(journal->Append(RecordOf(2)).ok());  // The lost pages would not be noticed.
    journal = Open(policy);
    const Offset end = journal->End().value();
    EXPECT_GE(end, 2U);
    EXPECT_TRUE(journal->Append(RecordOf(end)).ok());
    ExpectRecords(*journal, end + 1);
  }
}

TEST_F(DiskTest, AFailedSyncAtTheEndOfASegmentAppendsNothing) {
  auto journal = Open();
  disk_.syncs = false;
  std::string message;
  const std::uint64_t count = AppendTen(*journal, 0, &message);
  ASSERT_LT(count, 10U);
  EXPECT_THAT(message, HasSubstr("cannot sync"));
  EXPECT_FALSE(journal->Append(RecordOf(count)).ok());
  ExpectRecords(*journal, count);
  disk_.syncs = true;
  journal = Open();
  EXPECT_EQ(AppendTen(*journal, count, &message), 10U);
  ExpectRecords(*journal, 10);
}

// What a power cut would leave after each append: with kAlways everything, with kNever all segments
// but the last one.
TEST_F(DiskTest, SyncsWhatThePolicyPromises) {
  for (const FsyncPolicy policy : {FsyncPolicy::kAlways, FsyncPolicy::kNever}) {
    directory_.Clear();
    disk_.files.clear();
    const auto journal = Open(policy);
    for (std::uint64_t i = 0; i < 30; ++i) {
      ASSERT_TRUE(journal->Append(RecordOf(i)).ok());
      for (std::size_t file = 0; file < disk_.files.size(); ++file) {
        if (policy == FsyncPolicy::kNever && file + 1 == disk_.files.size()) continue;
        EXPECT_EQ(disk_.files[file]->synced, disk_.files[file]->written) << i << " " << file;
      }
    }
    EXPECT_GT(disk_.files.size(), 5U);
  }
}

// The same with threads that share syncs: when an append returns, its bytes are synced.
TEST_F(DiskTest, SharedSyncsCoverEveryAcknowledgedRecord) {
  FileJournalOptions options;
  options.fsync = FsyncPolicy::kAlways;
  options.wrap_file = [this](std::unique_ptr<WriteFile> file) {
    return std::make_unique<FileOnDisk>(std::move(file), &disk_);
  };
  const auto journal = MustOpen(directory_.path(), options);
  const std::uint64_t frame = kFrameHeadBytes + 39 + 4;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (std::uint64_t i = 0; i < 100; ++i) {
        const Result<Offset> offset = journal->Append(GroupOf(i, 1));
        ASSERT_TRUE(offset.ok());
        EXPECT_GE(disk_.files[0]->synced, kSegmentHeaderBytes + (offset.value() + 1) * frame);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace ndcao
