#include "ndcao/partitioned/stage_ledger.h"

#include <gtest/gtest.h>

namespace ndcao {
namespace {

/// A ledger of two stages, and what they append.
struct Fold {
  StageLedger ledger{2};

  WorkerId Join() {
    ledger.Take({ledger.next_offset(), JoinRecord{"stage"}, 0});
    return ledger.joins() - 1;
  }
  void Keep(WorkerId worker, std::uint32_t stage, std::uint64_t steps, std::uint64_t before) {
    ledger.Take({ledger.next_offset(), KeptRecord{worker, stage, steps, before, ""}, 0});
  }
};

TEST(StageLedgerTest, AllGoBackToTheNewestStateThatAllHaveKept) {
  Fold fold;
  const WorkerId one = fold.Join();
  const WorkerId two = fold.Join();
  fold.Keep(one, 1, 0, 0);
  fold.Keep(two, 2, 0, 0);
  EXPECT_EQ(fold.ledger.generation(), 2u);
  fold.Keep(one, 1, 100, 0);
  fold.Keep(two, 2, 100, 0);
  fold.Keep(one, 1, 200, 100);
  EXPECT_EQ(fold.ledger.generation(), 2u) << "keeping a state is no reason to go back";
  const WorkerId again = fold.Join();
  EXPECT_EQ(fold.ledger.generation(), 2u) << "it has not said yet what it has";
  fold.Keep(again, 2, 100, 0);
  EXPECT_EQ(fold.ledger.generation(), 3u);
  EXPECT_EQ(fold.ledger.base(), 100u);
  fold.Keep(again, 2, 200, 100);
  fold.Keep(fold.Join(), 1, 200, 100);
  EXPECT_EQ(fold.ledger.base(), 200u);
}

TEST(StageLedgerTest, AStageWithoutStatesSendsAllToTheBeginning) {
  Fold fold;
  fold.Keep(fold.Join(), 1, 300, 200);
  EXPECT_EQ(fold.ledger.base(), 0u);
  fold.Keep(fold.Join(), 2, 100, 0);
  EXPECT_EQ(fold.ledger.base(), 0u);
}

TEST(StageLedgerTest, WhatALifeBeforeSaysComesTooLate) {
  Fold fold;
  const WorkerId old = fold.Join();
  fold.Keep(fold.Join(), 1, 100, 0);
  fold.Keep(old, 1, 200, 100);
  fold.Keep(old, 3, 0, 0);  // no such stage
  EXPECT_EQ(fold.ledger.generation(), 1u);
  fold.Keep(fold.Join(), 2, 200, 100);
  EXPECT_EQ(fold.ledger.base(), 100u);
}

}  // namespace
}  // namespace ndcao
