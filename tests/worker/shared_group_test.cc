#include "ndcao/worker/shared_group.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

namespace ndcao {
namespace {

SharedGroup Group(std::uint32_t evaluations) {
  return SharedGroup(Trial{TrialId::Sync(0, 0), 0, 0, nullptr, {}}, evaluations);
}

void MeasureAll(const std::function<std::optional<EvaluationPair>()>& take,
                std::vector<std::atomic<int>>& measured, SharedGroup& group) {
  while (const auto pair = take()) {
    for (std::uint32_t k = pair->begin; k < pair->end; ++k) {
      ++measured[k];
      group.SetLoss(k, static_cast<float>(k));
    }
  }
}

TEST(SharedGroupTest, EveryEvaluationIsMeasuredOnceByWhoever) {
  for (const std::uint32_t evaluations : {1u, 2u, 7u, 64u}) {
    for (int repeat = 0; repeat < 50; ++repeat) {
      SharedGroup group = Group(evaluations);
      std::vector<std::atomic<int>> measured(evaluations);
      group.Open({3, 1}, {});
      std::vector<std::jthread> helpers;
      for (int i = 0; i < 2; ++i) {
        helpers.emplace_back([&] {
          if (!group.Join()) return;
          EXPECT_EQ(group.examples(), (std::vector<std::uint32_t>{3, 1}));
          MeasureAll([&] { return group.TakeLast(); }, measured, group);
          group.Leave(Ok());
        });
      }
      MeasureAll([&] { return group.TakeFirst(); }, measured, group);
      const auto losses = group.Close();
      ASSERT_TRUE(losses.ok() && losses.value());
      ASSERT_EQ(losses.value()->size(), evaluations);
      for (std::uint32_t k = 0; k < evaluations; ++k) {
        EXPECT_EQ(measured[k], 1);
        EXPECT_EQ((*losses.value())[k], static_cast<float>(k));
      }
    }
  }
}

TEST(SharedGroupTest, PairsBeginAtEvenEvaluationsFromBothEnds) {
  SharedGroup group = Group(5);
  group.Open({}, {});
  ASSERT_TRUE(group.Join());
  const auto last = group.TakeLast();
  ASSERT_TRUE(last);
  EXPECT_EQ(last->begin, 4u);
  EXPECT_EQ(last->end, 5u);
  const auto first = group.TakeFirst();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->begin, 0u);
  EXPECT_EQ(first->end, 2u);
  group.Leave(Ok());
}

TEST(SharedGroupTest, NobodyJoinsAGroupThatIsNotOpenOrNearlyDoneOrClosed) {
  SharedGroup group = Group(6);
  EXPECT_FALSE(group.Join());
  group.Open({}, {});
  EXPECT_TRUE(group.Join());
  group.Leave(Ok());
  ASSERT_TRUE(group.TakeFirst());
  ASSERT_TRUE(group.TakeFirst());
  EXPECT_FALSE(group.Join());  // one pair is left
  ASSERT_TRUE(group.Close().ok());
  EXPECT_FALSE(group.Join());
}

TEST(SharedGroupTest, AHelpersErrorEndsTheGroup) {
  SharedGroup group = Group(8);
  group.Open({}, {});
  ASSERT_TRUE(group.Join());
  ASSERT_TRUE(group.TakeLast());
  group.Leave(Failed("the program died"));
  EXPECT_FALSE(group.TakeFirst());
  const auto losses = group.Close();
  ASSERT_FALSE(losses.ok());
  EXPECT_EQ(losses.error().message(), "the program died");
}

TEST(SharedGroupTest, AnAbandonedGroupHasNoLosses) {
  SharedGroup group = Group(8);
  group.Open({}, {});
  ASSERT_TRUE(group.Join());
  group.Abandon();
  EXPECT_FALSE(group.TakeLast());
  EXPECT_FALSE(group.TakeFirst());
  group.Leave(Ok());
  const auto losses = group.Close();
  ASSERT_TRUE(losses.ok());
  EXPECT_FALSE(losses.value());
}

}  // namespace
}  // namespace ndcao
