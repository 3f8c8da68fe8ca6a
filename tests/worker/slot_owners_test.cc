#include "ndcao/worker/slot_owners.h"

#include <gtest/gtest.h>

#include <set>

namespace ndcao {
namespace {

TEST(SlotOwnersTest, WorkersBeginFarFromEachOther) {
  const SlotOwners owners(4);
  EXPECT_EQ(owners.First(0), 0u);
  EXPECT_EQ(owners.First(1), 2u);
  EXPECT_EQ(owners.First(2), 1u);
  EXPECT_EQ(owners.First(3), 3u);
  EXPECT_FALSE(owners.LeftToAnother(0, 7));
}

TEST(SlotOwnersTest, WhoFilledASlotBeginsThereInTheNextRound) {
  SlotOwners owners(4);
  EXPECT_FALSE(owners.Filled(0, 3, 0));
  EXPECT_EQ(owners.First(0), 0u);  // this round's habits are the last one's
  EXPECT_TRUE(owners.Filled(1, 0, 5));
  EXPECT_EQ(owners.First(0), 3u);
  EXPECT_TRUE(owners.LeftToAnother(3, 5));
  EXPECT_FALSE(owners.LeftToAnother(3, 0));
}

TEST(SlotOwnersTest, AWorkerOwnsOneSlot) {
  SlotOwners owners(3);
  owners.Filled(0, 1, 8);
  owners.Filled(0, 0, 8);
  owners.Filled(0, 2, 9);
  owners.Filled(1, 0, 8);
  EXPECT_EQ(owners.First(8), 1u);
  EXPECT_FALSE(owners.LeftToAnother(0, 9));
  EXPECT_EQ(owners.First(4), 0u);  // nobody's slot is where a stranger begins
}

// Five workers for four slots, one ten times slower: whoever it is, and whichever of two workers
// at one slot is first, after two rounds the four quick ones have a slot each.
TEST(SlotOwnersTest, AStragglerEndsWithoutASlot) {
  for (WorkerId slow = 0; slow < 5; ++slow) {
    for (const bool late_wins : {false, true}) {
      SlotOwners owners(4);
      for (std::uint64_t round = 0; round < 4; ++round) {
        std::vector<std::optional<WorkerId>> filled(4);
        for (WorkerId worker = 0; worker < 5; ++worker) {
          if (worker == slow) continue;
          auto& winner = filled[owners.First(worker)];
          if (!winner || late_wins) winner = worker;
        }
        for (std::uint32_t slot = 0; slot < 4; ++slot) {
          if (filled[slot]) owners.Filled(round, slot, *filled[slot]);
        }
        for (std::uint32_t slot = 0; slot < 4; ++slot) {  // then they help
          if (!filled[slot]) owners.Filled(round, slot, slow == 0 ? 1 : 0);
        }
      }
      std::set<std::uint32_t> slots;
      owners.Filled(4, 0, 99);
      for (WorkerId worker = 0; worker < 5; ++worker) {
        if (worker != slow) slots.insert(owners.First(worker));
      }
      EXPECT_EQ(slots.size(), 4u) << "slow: " << slow;
    }
  }
}

}  // namespace
}  // namespace ndcao
