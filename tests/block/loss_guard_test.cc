// The guard against divergence: what it makes of a series of losses.
#include "ndcao/block/loss_guard.h"

#include <gtest/gtest.h>

namespace ndcao {
namespace {

TEST(LossGuardTest, HealthyNoiseDoesNotTriggerAndADoublingDoes) {
  LossGuard guard;
  for (int i = 0; i < 500; ++i) {
    const double loss = 1 + 0.3 * ((i * 7919) % 13 - 6) / 6.0;
    ASSERT_NE(guard.Add(loss, loss, 0.15, guard.least_loss(), 30), LossGuard::Verdict::kDiverging);
    guard.Remember({{static_cast<std::uint64_t>(i)}, {1.0f}});
  }
  int after = 0;
  // The centres themselves stay below what counts as an explosion.
  while (guard.Add(1.4, 2.5, 0.15, guard.least_loss(), 30) != LossGuard::Verdict::kDiverging) {
    ASSERT_LT(++after, 40);
  }
  EXPECT_FALSE(guard.TakeMoves().empty());
  guard.Restart(700);
  EXPECT_EQ(guard.step_factor(), 0.5);
  EXPECT_TRUE(guard.Outdated(699));
  EXPECT_FALSE(guard.Outdated(700));
}

TEST(LossGuardTest, AHalvedStepGrowsBack) {
  LossGuard guard;
  guard.Regain(40);
  EXPECT_EQ(guard.step_factor(), 1);
  guard.Restart(1);
  guard.Restart(2);
  for (int i = 0; i < 40; ++i) guard.Regain(40);
  EXPECT_NEAR(guard.step_factor(), 0.5, 1e-12);
  for (int i = 0; i < 10; ++i) guard.Regain(0);  // never
  EXPECT_NEAR(guard.step_factor(), 0.5, 1e-12);
  for (int i = 0; i < 41; ++i) guard.Regain(40);
  EXPECT_EQ(guard.step_factor(), 1);
}

LossGuard GuardAtRest() {
  LossGuard guard;
  for (int i = 0; i < 100; ++i) guard.Add(1, 1, 0.1, 1, 30);
  guard.Remember({{7}, {1.0f}});
  return guard;
}

TEST(LossGuardTest, MovesThatTheLeastLossHasNotSeenStay) {
  for (const bool by_version : {true, false}) {
    LossGuard guard;
    for (std::uint64_t i = 0; i < 5; ++i) guard.Remember({{i}, {1.0f}, 10 * i});
    if (by_version) guard.ForgetUpTo(25);
    if (!by_version) guard.ForgetAllBut(2);
    const std::deque<Move> moves = guard.TakeMoves();
    ASSERT_EQ(moves.size(), 2u);
    EXPECT_EQ(moves[0].trial, TrialId{4});
    EXPECT_EQ(moves[1].trial, TrialId{3});
  }
}

TEST(LossGuardTest, AnExplosionIsKnownByTwoCentresOutOfThree) {
  using Verdict = LossGuard::Verdict;
  LossGuard guard = GuardAtRest();
  // Winsorised to 1.1, each: F has hardly noticed yet.
  EXPECT_EQ(guard.Add(1e6, 1.1, 0.1, 1, 30), Verdict::kHolding);
  EXPECT_EQ(guard.Add(1, 1, 0.1, 1, 30), Verdict::kHolding);
  EXPECT_EQ(guard.Add(1, 1, 0.1, 1, 30), Verdict::kHolding);
  EXPECT_EQ(guard.Add(1e6, 1.1, 0.1, 1, 30), Verdict::kHolding);
  EXPECT_EQ(guard.Add(1e6, 1.1, 0.1, 1, 30), Verdict::kDiverging);
  guard.Restart(9);
  EXPECT_EQ(guard.Add(1e6, 1.1, 0.1, 1, 30), Verdict::kHolding);
}

TEST(LossGuardTest, CentresThatAreNotFiniteCountAsExplosions) {
  using Verdict = LossGuard::Verdict;
  LossGuard guard = GuardAtRest();
  EXPECT_EQ(guard.AddNonFinite(), Verdict::kHolding);
  EXPECT_EQ(guard.AddNonFinite(), Verdict::kDiverging);
  guard.TakeMoves();
  guard.Restart(9);
  // With nothing left to take back there is nothing to do.
  for (int i = 0; i < 5; ++i) EXPECT_EQ(guard.AddNonFinite(), Verdict::kHolding);
}

}  // namespace
}  // namespace ndcao
