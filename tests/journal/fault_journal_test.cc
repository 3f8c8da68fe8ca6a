#include "ndcao/journal/fault_journal.h"

#include <gtest/gtest.h>

#include "ndcao/journal/memory/memory_journal.h"
#include "test_records.h"

namespace ndcao {
namespace {

using std::chrono::milliseconds;

// Appends records 0, 1, … and returns which of the appends failed.
std::vector<std::uint64_t> FailedOf(FaultJournal& journal, std::uint64_t count) {
  std::vector<std::uint64_t> failed;
  for (std::uint64_t i = 0; i < count; ++i) {
    if (!journal.Append(RecordOf(i)).ok()) failed.push_back(i);
  }
  return failed;
}

// Numbers of the records that the journal holds, in order.
std::vector<std::size_t> HeldBy(Journal& journal) {
  std::vector<std::size_t> held;
  const std::vector<Entry> entries = ReadAll(journal).value();
  for (const Entry& entry : entries) held.push_back(entry.record.index());
  return held;
}

using Numbers = std::vector<std::uint64_t>;
using Held = std::vector<std::size_t>;

TEST(FaultJournal, FailsBeforeAndAfter) {
  MemoryJournal inner;
  FaultJournal journal(inner, {{1, FaultKind::kFailBefore}, {3, FaultKind::kFailAfter}});
  EXPECT_EQ(FailedOf(journal, 5), (Numbers{1, 3}));
  EXPECT_EQ(HeldBy(inner), (Held{0, 2, 3, 4}));
  EXPECT_EQ(journal.appends(), 5U);
}

TEST(FaultJournal, CrashesForGood) {
  MemoryJournal inner;
  FaultJournal before(inner, {{2, FaultKind::kCrashBefore}});
  EXPECT_EQ(FailedOf(before, 4), (Numbers{2, 3}));
  EXPECT_FALSE(before.Read(0, 1, milliseconds(0)).ok());
  EXPECT_EQ(HeldBy(inner), (Held{0, 1}));

  MemoryJournal other;
  FaultJournal after(other, {{2, FaultKind::kCrashAfter}});
  EXPECT_EQ(FailedOf(after, 4), (Numbers{2, 3}));
  EXPECT_EQ(HeldBy(other), (Held{0, 1, 2}));
}

TEST(FaultJournal, DuplicatesAndDelays) {
  MemoryJournal inner;
  FaultJournal journal(inner, {{0, FaultKind::kDuplicate},
                               {1, FaultKind::kDelay, milliseconds(20)},
                               {1, FaultKind::kDuplicate}});
  EXPECT_EQ(journal.Append(RecordOf(0)).value(), 0U);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(journal.Append(RecordOf(1)).value(), 2U);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, milliseconds(20));
  EXPECT_EQ(HeldBy(inner), (Held{0, 0, 1, 1}));
  EXPECT_EQ(journal.bytes(), inner.bytes());
}

}  // namespace
}  // namespace ndcao
