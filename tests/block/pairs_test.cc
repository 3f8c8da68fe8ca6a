#include "ndcao/block/pairs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "ndcao/block/schedule.h"

namespace ndcao {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

TEST(PairsTest, DropsPairsWithALossThatIsNotFinite) {
  const float losses[] = {1, 2, kNan, 3, 4, kInf, 5, 6, 7};  // the last has no partner
  const std::vector<LossPair> pairs = FinitePairs(losses);
  ASSERT_EQ(pairs.size(), 2u);
  EXPECT_EQ(pairs[0].index, 0u);
  EXPECT_EQ(pairs[1].index, 3u);
  EXPECT_EQ(pairs[1].plus, 5);
  EXPECT_EQ(pairs[1].minus, 6);
}

TEST(PairsTest, RanksAreCentredAndBlindToScale) {
  std::vector<LossPair> pairs = {{0, 10, -1e30}, {1, 1e30, 0}};
  RankPairs(pairs);
  EXPECT_DOUBLE_EQ(pairs[0].minus, -0.5);
  EXPECT_DOUBLE_EQ(pairs[1].minus, -0.5 + 1.0 / 3);
  EXPECT_DOUBLE_EQ(pairs[0].plus, -0.5 + 2.0 / 3);
  EXPECT_DOUBLE_EQ(pairs[1].plus, 0.5);
}

TEST(PairsTest, EqualLossesShareTheirRank) {
  std::vector<LossPair> pairs = {{0, 3, 3}, {1, 3, 3}};
  RankPairs(pairs);
  for (const LossPair& pair : pairs) {
    EXPECT_EQ(pair.plus, 0);
    EXPECT_EQ(pair.minus, 0);
  }
  pairs = {{0, 1, 2}, {1, 2, 5}};
  RankPairs(pairs);
  EXPECT_DOUBLE_EQ(pairs[0].minus, 0);  // between ranks 1 and 2 of 0…3
  EXPECT_DOUBLE_EQ(pairs[1].plus, 0);
}

TEST(ScheduleTest, WarmsUpDecaysAndEnds) {
  EXPECT_DOUBLE_EQ(RateSchedule(0, 1000), 1.0 / 20);  // the first of 20 groups of warm-up
  EXPECT_DOUBLE_EQ(RateSchedule(750, 1000), 0.5);
  EXPECT_EQ(RateSchedule(1000, 1000), 0);
  EXPECT_EQ(RateSchedule(2000, 1000), 0);
  EXPECT_DOUBLE_EQ(RateSchedule(0, 1), 1);
}

}  // namespace
}  // namespace ndcao
