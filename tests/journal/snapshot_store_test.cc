#include "ndcao/journal/file/snapshot_store.h"

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <filesystem>
#include <thread>

#include "test_records.h"

namespace ndcao {
namespace {

constexpr Offset kAny = ~Offset{0};
constexpr std::uint64_t kSpec = 77;

std::vector<std::byte> Body(std::size_t size, int seed) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i * 31 + seed);
  return bytes;
}

std::string PathOf(const TempDirectory& directory, Offset offset) {
  std::string digits = std::to_string(offset);
  digits.insert(0, 20 - digits.size(), '0');
  return directory.path() + "/snapshots/" + digits + ".snap";
}

std::size_t FilesIn(const TempDirectory& directory) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory.path() + "/snapshots")) {
    count += entry.is_regular_file() ? 1 : 0;
  }
  return count;
}

class SnapshotStoreTest : public testing::Test {
 protected:
  SnapshotStoreTest() { spdlog::set_level(spdlog::level::off); }
  ~SnapshotStoreTest() override { spdlog::set_level(spdlog::level::info); }

  TempDirectory directory_;
  SnapshotStore store_{directory_.path(), kSpec};
};

TEST_F(SnapshotStoreTest, KeepsTheNewestTwo) {
  EXPECT_FALSE(store_.ReadNewest(kAny));
  for (const Offset offset : {10, 20, 30, 40}) {
    ASSERT_TRUE(store_.Write(offset, offset + 1, Body(1000, static_cast<int>(offset))).ok());
  }
  EXPECT_EQ(FilesIn(directory_), 2U);
  const auto newest = store_.ReadNewest(kAny);
  ASSERT_TRUE(newest);
  EXPECT_EQ(newest->offset, 40U);
  EXPECT_EQ(newest->chain, 41U);
  EXPECT_EQ(newest->bytes, Body(1000, 40));
  EXPECT_EQ(store_.ReadNewest(40)->offset, 40U);
  EXPECT_EQ(store_.ReadNewest(39)->offset, 30U);
  EXPECT_FALSE(store_.ReadNewest(29));
}

TEST_F(SnapshotStoreTest, ReplacesOneOfTheSameOffset) {
  ASSERT_TRUE(store_.Write(10, 1, Body(10, 1)).ok());
  ASSERT_TRUE(store_.Write(10, 2, Body(0, 2)).ok());
  EXPECT_EQ(store_.ReadNewest(kAny)->chain, 2U);
  EXPECT_TRUE(store_.ReadNewest(kAny)->bytes.empty());
}

TEST_F(SnapshotStoreTest, SkipsADamagedOneWhicheverByteItIs) {
  ASSERT_TRUE(store_.Write(10, 11, Body(40, 1)).ok());
  ASSERT_TRUE(store_.Write(20, 21, Body(40, 2)).ok());
  const std::string path = PathOf(directory_, 20);
  const std::vector<std::byte> good = ReadFile(path);
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::vector<std::byte> bad = good;
    bad[i] ^= std::byte{4};
    OverwriteFile(path, bad);
    const auto newest = store_.ReadNewest(kAny);
    ASSERT_TRUE(newest) << i;
    EXPECT_EQ(newest->offset, 10U) << i;
  }
  for (std::size_t size = 0; size < good.size(); ++size) {
    OverwriteFile(path, {good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size)});
    EXPECT_EQ(store_.ReadNewest(kAny)->offset, 10U) << size;
  }
  OverwriteFile(path, good);
  EXPECT_EQ(store_.ReadNewest(kAny)->offset, 20U);
  OverwriteFile(PathOf(directory_, 30), good);
  EXPECT_EQ(store_.ReadNewest(kAny)->offset, 20U);
}

// A damaged or foreign file does not take the place of a good one.
TEST_F(SnapshotStoreTest, PrunesWhatIsOfNoUseFirst) {
  ASSERT_TRUE(store_.Write(10, 11, Body(40, 1)).ok());
  OverwriteFile(PathOf(directory_, 90), Body(200, 1));
  SnapshotStore foreign(directory_.path(), kSpec + 1);
  OverwriteFile(PathOf(directory_, 80), ReadFile(PathOf(directory_, 10)));
  ASSERT_TRUE(store_.Write(20, 21, Body(40, 2)).ok());
  EXPECT_EQ(FilesIn(directory_), 2U);
  EXPECT_EQ(store_.ReadNewest(kAny)->offset, 20U);
  EXPECT_EQ(store_.ReadNewest(19)->offset, 10U);
  EXPECT_FALSE(foreign.ReadNewest(kAny));
}

// One that is ahead of a journal that lost its tail stays, but not instead of the one just written.
TEST_F(SnapshotStoreTest, KeepsTheOneJustWritten) {
  ASSERT_TRUE(store_.Write(1000, 1, Body(10, 1)).ok());
  ASSERT_TRUE(store_.Write(2000, 2, Body(10, 2)).ok());
  ASSERT_TRUE(store_.Write(500, 3, Body(10, 3)).ok());
  EXPECT_EQ(store_.ReadNewest(999)->offset, 500U);
  EXPECT_EQ(store_.ReadNewest(kAny)->offset, 2000U);
  EXPECT_EQ(FilesIn(directory_), 2U);
}

TEST_F(SnapshotStoreTest, RemovesWhatADeadWriterLeft) {
  ASSERT_TRUE(store_.Write(10, 11, Body(40, 1)).ok());
  const std::string unfinished = PathOf(directory_, 20) + ".tmp";
  OverwriteFile(unfinished, Body(30, 1));
  EXPECT_EQ(store_.ReadNewest(kAny)->offset, 10U);
  ASSERT_TRUE(store_.Write(30, 31, Body(40, 1)).ok());
  EXPECT_FALSE(std::filesystem::exists(unfinished));
}

TEST_F(SnapshotStoreTest, WritersTakeTurns) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this, t] {
      SnapshotStore store(directory_.path(), kSpec);
      for (int i = 0; i < 10; ++i) {
        const auto offset = static_cast<Offset>(10 * i + t);
        EXPECT_TRUE(store.Write(offset, offset, Body(5000, t)).ok());
        EXPECT_TRUE(store.ReadNewest(kAny));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(FilesIn(directory_), 2U);
  EXPECT_EQ(store_.ReadNewest(kAny)->offset, 93U);
}

TEST_F(SnapshotStoreTest, SaysWhyItCannotWrite) {
  SnapshotStore store("/proc/ndcao", kSpec);
  const Status status = store.Write(1, 1, {});
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message().find("/proc/ndcao"), std::string::npos);
  EXPECT_FALSE(store.ReadNewest(kAny));
}

}  // namespace
}  // namespace ndcao
