// Several threads, journals and processes on one run directory, and processes that are killed.

#include <gtest/gtest.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <random>
#include <thread>

#include "ndcao/journal/file/file_journal.h"
#include "test_records.h"

namespace ndcao {
namespace {

using std::chrono::milliseconds;

FileJournalOptions Options(FsyncPolicy fsync) {
  FileJournalOptions options;
  options.fsync = fsync;
  options.segment_bytes = 3000;
  return options;
}

// The record that worker w appends as its i-th.
Record RecordOfWorker(std::uint64_t worker, std::uint64_t i) {
  GroupRecord record = GroupOf(i, 1 + i % 20);
  record.trial = TrialId::Async(static_cast<WorkerId>(worker), i);
  return record;
}

// Checks that each worker's records are there once, in its order, unchanged; returns how many each
// has. Records of other types are skipped.
std::map<WorkerId, std::uint64_t> CountByWorker(const std::vector<Entry>& entries) {
  std::map<WorkerId, std::uint64_t> counts;
  for (const Entry& entry : entries) {
    const auto* group = std::get_if<GroupRecord>(&entry.record);
    if (group == nullptr) continue;
    std::uint64_t& next = counts[group->trial.worker()];
    EXPECT_TRUE(SameBits(entry.record, RecordOfWorker(group->trial.worker(), next)));
    ++next;
  }
  return counts;
}

// Appends `count` records and checks that the offsets rise.
void AppendAsWorker(Journal& journal, std::uint64_t worker, std::uint64_t count) {
  Offset next = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const Result<Offset> offset = journal.Append(RecordOfWorker(worker, i));
    ASSERT_TRUE(offset.ok()) << offset.error().message();
    ASSERT_GE(offset.value(), next);
    next = offset.value() + 1;
  }
}

// Follows the journal until it has seen `count` records.
void Follow(Journal& journal, std::uint64_t count, std::vector<Entry>* seen) {
  while (seen->size() < count) {
    auto entries = journal.Read(seen->size(), 7, milliseconds(5000));
    ASSERT_TRUE(entries.ok()) << entries.error().message();
    ASSERT_FALSE(entries.value().empty());
    seen->insert(seen->end(), entries.value().begin(), entries.value().end());
  }
}

TEST(FileJournalThreads, ShareOneJournalAndSeveral) {
  constexpr std::uint64_t kThreads = 6;
  constexpr std::uint64_t kEach = 200;
  const TempDirectory directory;
  const auto one = MustOpen(directory.path(), Options(FsyncPolicy::kInterval));
  const auto two = MustOpen(directory.path(), Options(FsyncPolicy::kNever));
  std::vector<std::thread> threads;
  std::vector<std::vector<Entry>> seen(3);
  for (std::vector<Entry>& entries : seen) {
    threads.emplace_back([&] { Follow(*one, kThreads * kEach, &entries); });
  }
  for (std::uint64_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] { AppendAsWorker(t % 2 == 0 ? *one : *two, t, kEach); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::vector<Entry>& entries : seen) {
    const auto counts = CountByWorker(entries);
    EXPECT_EQ(counts.size(), kThreads);
    for (const auto& [worker, count] : counts) EXPECT_EQ(count, kEach) << worker;
  }
}

// Forks a process that runs `body` and exits with 0 unless a test assertion failed.
template <typename Body>
pid_t Fork(const Body& body) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  body();
  ::_exit(testing::Test::HasFailure() ? 1 : 0);
}

TEST(FileJournalProcesses, ShareOneDirectory) {
  constexpr std::uint64_t kProcesses = 4;
  constexpr std::uint64_t kEach = 250;
  const TempDirectory directory;
  std::vector<pid_t> children;
  for (std::uint64_t p = 0; p < kProcesses; ++p) {
    children.push_back(Fork([&] {
      const auto journal = MustOpen(directory.path(), Options(FsyncPolicy::kInterval));
      std::vector<Entry> seen;
      std::thread follower([&] { Follow(*journal, kProcesses * kEach, &seen); });
      AppendAsWorker(*journal, p, kEach);
      follower.join();
      EXPECT_EQ(CountByWorker(seen).size(), kProcesses);
    }));
  }
  for (const pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  const auto journal = MustOpen(directory.path(), Options(FsyncPolicy::kNever));
  const auto all = ReadAll(*journal);
  ASSERT_TRUE(all.ok()) << all.error().message();
  EXPECT_EQ(all.value().size(), kProcesses * kEach);
  for (const auto& [worker, count] : CountByWorker(all.value())) EXPECT_EQ(count, kEach) << worker;
}

// Appends for ever and tells the pipe of every acknowledged record.
void AppendUntilKilled(const std::string& directory, std::uint64_t worker, std::uint64_t from,
                       int acknowledged) {
  const auto journal = MustOpen(directory, Options(FsyncPolicy::kNever));
  for (std::uint64_t i = from;; ++i) {
    const Result<Offset> offset = journal->Append(RecordOfWorker(worker, i));
    const auto number = static_cast<std::uint8_t>(worker);
    if (!offset.ok() || ::write(acknowledged, &number, 1) != 1) ::_exit(1);
  }
}

// Two processes append, and one is killed at a random moment, again and again: what was
// acknowledged is there, and at most one record more for each kill.
TEST(FileJournalProcesses, KeepWhatWasAcknowledgedWhenKilled) {
  const TempDirectory directory;
  std::mt19937 random(1);
  std::vector<std::uint64_t> acknowledged(2);
  for (int round = 0; round < 25; ++round) {
    int pipe[2];
    ASSERT_EQ(::pipe(pipe), 0);
    std::vector<pid_t> children;
    auto counts = CountByWorker(ReadAll(*MustOpen(directory.path())).value());
    for (std::uint64_t w = 0; w < 2; ++w) {
      EXPECT_GE(counts[w], acknowledged[w]);
      acknowledged[w] = counts[w];
      children.push_back(
          Fork([&] { AppendUntilKilled(directory.path(), w, acknowledged[w], pipe[1]); }));
    }
    ::usleep(1000 + random() % 15000);
    for (const pid_t child : children) ::kill(child, SIGKILL);
    for (const pid_t child : children) ::waitpid(child, nullptr, 0);
    ::close(pipe[1]);
    std::uint8_t worker = 0;
    while (::read(pipe[0], &worker, 1) == 1) ++acknowledged[worker];
    ::close(pipe[0]);
  }
  auto counts = CountByWorker(ReadAll(*MustOpen(directory.path())).value());
  for (std::uint64_t w = 0; w < 2; ++w) {
    EXPECT_GT(acknowledged[w], 0U);
    EXPECT_GE(counts[w], acknowledged[w]);
    EXPECT_LE(counts[w], acknowledged[w] + 1);
  }
}

// Counts syncs; each takes 5 ms, so that appenders pile up behind it.
class CountingFile : public WriteFile {
 public:
  CountingFile(std::unique_ptr<WriteFile> file, std::atomic<int>* syncs)
      : file_(std::move(file)), syncs_(syncs) {}
  Status WriteAt(std::uint64_t position, std::span<const std::byte> bytes) override {
    return file_->WriteAt(position, bytes);
  }
  Status Truncate(std::uint64_t size) override { return file_->Truncate(size); }
  Status Sync() override {
    ++*syncs_;
    std::this_thread::sleep_for(milliseconds(5));
    return Ok();
  }

 private:
  std::unique_ptr<WriteFile> file_;
  std::atomic<int>* syncs_;
};

class GroupCommit : public testing::Test {
 protected:
  std::unique_ptr<FileJournal> Open(FsyncPolicy policy, milliseconds interval) {
    FileJournalOptions options;
    options.fsync = policy;
    options.interval = interval;
    options.wrap_file = [this](std::unique_ptr<WriteFile> file) {
      return std::make_unique<CountingFile>(std::move(file), &syncs_);
    };
    return MustOpen(directory_.path(), options);
  }

  int SyncsOf(FsyncPolicy policy, std::uint64_t threads, std::uint64_t each) {
    directory_.Clear();
    syncs_ = 0;
    const auto journal = Open(policy, milliseconds(10));
    std::vector<std::thread> appenders;
    for (std::uint64_t t = 0; t < threads; ++t) {
      appenders.emplace_back([&, t] { AppendAsWorker(*journal, t, each); });
    }
    for (std::thread& appender : appenders) appender.join();
    return syncs_;
  }

  TempDirectory directory_;
  std::atomic<int> syncs_ = 0;
};

TEST_F(GroupCommit, AppendersShareSyncs) {
  EXPECT_EQ(SyncsOf(FsyncPolicy::kNever, 4, 20), 0);
  EXPECT_EQ(SyncsOf(FsyncPolicy::kAlways, 1, 20), 20);
  // A sync serves all that arrived during the one before: up to 8. On a busy machine fewer are
  // there in time; without sharing it would be one each.
  const int shared = SyncsOf(FsyncPolicy::kAlways, 8, 20);
  EXPECT_GE(shared, 20);
  EXPECT_LE(shared, 8 * 20 / 2);
}

TEST_F(GroupCommit, IntervalSyncsNowAndThen) {
  const auto journal = Open(FsyncPolicy::kInterval, milliseconds(10));
  std::this_thread::sleep_for(milliseconds(30));
  EXPECT_EQ(syncs_, 0);  // Nothing was appended.
  const auto begin = std::chrono::steady_clock::now();
  for (std::uint64_t i = 0; i < 100; ++i) {
    ASSERT_TRUE(journal->Append(RecordOf(i)).ok());
    std::this_thread::sleep_for(milliseconds(1));
  }
  const auto spent = std::chrono::steady_clock::now() - begin;
  EXPECT_GE(syncs_, 2);
  EXPECT_LE(syncs_, spent / milliseconds(10) + 1);
}

TEST_F(GroupCommit, IntervalSyncsWhatIsLeftAtTheEnd) {
  auto journal = Open(FsyncPolicy::kInterval, std::chrono::minutes(1));
  ASSERT_TRUE(journal->Append(RecordOf(0)).ok());
  EXPECT_EQ(syncs_, 0);
  journal.reset();
  EXPECT_EQ(syncs_, 1);
}

}  // namespace
}  // namespace ndcao
