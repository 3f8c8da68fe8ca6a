#include "ndcao/journal/memory/memory_journal.h"

#include <gtest/gtest.h>

#include <thread>

#include "ndcao/base/hash.h"
#include "ndcao/journal/codec.h"
#include "test_records.h"

namespace ndcao {
namespace {

using std::chrono::milliseconds;

TEST(MemoryJournal, ReturnsWhatWasAppended) {
  MemoryJournal journal;
  for (std::uint64_t i = 0; i < 30; ++i) EXPECT_EQ(journal.Append(RecordOf(i)).value(), i);
  const auto entries = journal.Read(10, 5, milliseconds(0));
  ASSERT_EQ(entries.value().size(), 5U);
  for (std::size_t i = 0; i < 5; ++i) {
    const Entry& entry = entries.value()[i];
    EXPECT_EQ(entry.offset, 10 + i);
    EXPECT_TRUE(SameBits(entry.record, RecordOf(10 + i)));
    EXPECT_EQ(entry.hash, Hash64(EncodeRecord(entry.record)));
  }
  EXPECT_TRUE(journal.Read(30, 5, milliseconds(0)).value().empty());
}

TEST(MemoryJournal, ReadWaitsForAnAppend) {
  MemoryJournal journal;
  EXPECT_TRUE(journal.Read(0, 1, milliseconds(5)).value().empty());
  std::thread later([&] {
    std::this_thread::sleep_for(milliseconds(5));
    EXPECT_TRUE(journal.Append(RecordOf(0)).ok());
  });
  EXPECT_EQ(journal.Read(0, 1, milliseconds(10000)).value().size(), 1U);
  later.join();
}

}  // namespace
}  // namespace ndcao
