// The peers descend, at the rate that their mathematics says where it says one.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "block/driver.h"
#include "ndcao/block/schedule.h"
#include "ndcao/evaluate/functions/quadratic.h"

namespace ndcao {
namespace {

constexpr std::uint64_t kDimension = 50;

/// ½ ‖x‖², from (1, …, 1).
double HalfSphere(TrialId, std::span<const float> x) {
  double sum = 0;
  for (const double v : x) sum += 0.5 * v * v;
  return sum;
}

BlockOptions WithRate(const char* name, double rate) {
  BlockOptions options = DefaultsFor(name).value().options;
  options.peer.rate = rate;
  return options;
}

double MeanSquareAfter(const BlockOptions& options, const GroupShape& shape, int groups) {
  constexpr int kSeeds = 40;
  double mean = 0;
  for (int seed = 1; seed <= kSeeds; ++seed) {
    Driver driver(HalfSphere, ParameterVector(kDimension, 1.0f), shape, groups);
    driver.Add(options, Slice::Whole(kDimension), seed);
    driver.Run(groups);
    mean += 2 * HalfSphere({}, driver.theta()) / kSeeds;
  }
  return mean;
}

// On ½‖x‖² two-point differences are exact: the move is −ρ (x·e) e, averaged over n pairs. So
//   E‖x'‖² = ‖x‖² (1 − 2ρ + ρ² (q + n − 1) / n),
// q = d for signs (‖e‖² = d) and d + 2 for normal numbers (E (x·e)² ‖e‖² = (d + 2) ‖x‖²). The
// factors of independent groups multiply. One run's ‖x‖² scatters by about 2ρ √(2 groups/n) = 0.4
// relative, the mean over 40 seeds by 6 %: the tolerance is four times that.
double ExpectedSquare(double rate, double q, double n, int groups) {
  double square = kDimension;
  for (int t = 0; t < groups; ++t) {
    const double rho = rate * RateSchedule(t, groups);
    square *= 1 - 2 * rho + rho * rho * (q + n - 1) / n;
  }
  return square;
}

TEST(PeersTest, SpsaDescendsAtItsRate) {
  const double expected = ExpectedSquare(0.01, kDimension, 1, 200);
  const double found = MeanSquareAfter(WithRate("spsa", 0.01), {2, false, false, 1}, 200);
  EXPECT_NEAR(found / expected, 1, 0.25);
  EXPECT_LT(expected, 0.3 * kDimension);
}

TEST(PeersTest, MezoDescendsAtItsRate) {
  const double expected = ExpectedSquare(0.01, kDimension + 2, 1, 200);
  const double found = MeanSquareAfter(WithRate("mezo", 0.01), {2, false, false, 1}, 200);
  EXPECT_NEAR(found / expected, 1, 0.25);
}

TEST(PeersTest, MorePairsAreAveraged) {
  const double expected = ExpectedSquare(0.04, kDimension, 4, 50);
  const double found = MeanSquareAfter(WithRate("spsa", 0.04), {8, false, false, 1}, 50);
  EXPECT_NEAR(found / expected, 1, 0.25);
}

// Adam moves a parameter by about its rate per step while the sign of its gradient is known:
// 200 steps of 0.02 with the schedule's mean of 2/3 could go 2.7, and the minimum is 1 away.
TEST(PeersTest, EvolutionStrategiesDescend) {
  for (const char* name : {"openai-es", "pgpe"}) {
    const double left = MeanSquareAfter(WithRate(name, 0.02), {32, false, false, 1}, 200);
    EXPECT_LT(left, 0.05 * kDimension) << name;
  }
}

TEST(PeersTest, EvolutionStrategiesAreBlindToTheScaleOfTheLoss) {
  for (const char* name : {"openai-es", "pgpe"}) {
    const auto run = [&](double scale) {
      Driver driver([=](TrialId t, std::span<const float> x) { return scale * HalfSphere(t, x); },
                    ParameterVector(kDimension, 1.0f), {16, false, false, 1}, 30);
      driver.Add(WithRate(name, 0.02), Slice::Whole(kDimension));
      driver.Run(30);
      return driver.theta();
    };
    EXPECT_EQ(run(1), run(1024)) << name;  // a power of two, so that rounding is the same too
  }
}

TEST(PeersTest, PgpeShrinksDeviationsWhereTheLossIsSteep) {
  // Only the first half of the coordinates matters, and it is at its minimum: less is better there.
  const auto loss = [](TrialId, std::span<const float> x) {
    double sum = 0;
    for (std::size_t i = 0; i < x.size() / 2; ++i) sum += double{x[i]} * x[i];
    return sum;
  };
  Driver driver(loss, ParameterVector(20, 0.0f), {64, false, false, 1}, 100);
  driver.Add(WithRate("pgpe", 1e-6), Slice::Whole(20));
  driver.Run(100);
  const ParameterVector zeros(20, 0.0f);
  double inner = 0, outer = 0;
  for (std::uint32_t k = 0; k < 64; k += 2) {
    ParameterVector out(20);
    driver.optimizer().Propose(TrialId{1}, 0)->Perturb(k, zeros, out);
    for (std::size_t i = 0; i < 20; ++i) (i < 10 ? inner : outer) += double{out[i]} * out[i];
  }
  // 100 groups of the change 0.1 · E[rank (e² − 1)] ≈ 0.1 · 0.09 (rank and one of ten squares
  // correlate by 1/√10, their deviations are 0.29 and √2, so 0.13; pairs see e twice: no less).
  EXPECT_LT(inner, 0.5 * outer);
}

TEST(PeersTest, TheSecondOfAPairIsTheFirstMirroredInPlace) {
  const auto loss = [](TrialId, std::span<const float> x) { return double{x[0]}; };
  for (const char* name : {"spsa", "mezo", "openai-es", "pgpe"}) {
    const ParameterVector start = {1.0f, -0.25f, 3.0f, 0.0f, -7.5f};
    Driver driver(loss, start, {8, false, false, 1}, 10);
    driver.Add(WithRate(name, 1e-3), Slice({{0, 0, 2}, {3, 3, 2}}));  // all but the third
    const auto proposal = driver.optimizer().Propose(TrialId{4}, 0);
    ParameterVector mirrored(5, 0.0f), drawn(5, 0.0f);
    for (std::uint32_t k = 0; k < 8; ++k) {
      proposal->Perturb(k, start, drawn);
      const ParameterVector before = mirrored;
      const bool turned = proposal->Mirror(k, start, mirrored);
      EXPECT_EQ(turned, k % 2 == 1) << name;
      if (!turned) {
        EXPECT_EQ(mirrored, before) << name;
        proposal->Perturb(k, start, mirrored);
      }
      // Each has been rounded twice at most, to a 2^-23rd of 8.
      for (std::size_t i = 0; i < 5; ++i) EXPECT_NEAR(mirrored[i], drawn[i], 2e-6) << name;
      EXPECT_EQ(mirrored[2], 0) << name;
    }
  }
}

TEST(PeersTest, RandomSearchNeverClimbs) {
  const Quadratic quadratic(Quadratic::LogSpaced(20, 10));
  Driver driver([&](TrialId, std::span<const float> x) { return quadratic.Value(x); },
                quadratic.Start(1), {8, true, false, 1}, 200);
  driver.Add(WithRate("random-search", 0.1), Slice::Whole(20));
  double loss = quadratic.Value(driver.theta());
  const double start = loss;
  for (int t = 0; t < 200; ++t) {
    driver.Run(1);
    const double next = quadratic.Value(driver.theta());
    EXPECT_LE(next, loss * (1 + 1e-6));
    loss = next;
  }
  EXPECT_LT(loss, 0.1 * start);
}

TEST(PeersTest, RandomSearchReadsALateGroupWithTheRadiusItWasMeasuredWith) {
  const auto loss = [](TrialId, std::span<const float> x) { return double{x[0]}; };
  Driver driver(loss, {0.0f, 0.0f}, {1, true, false, 1}, 100);
  driver.Add(WithRate("random-search", 1), Slice::Whole(2));
  const auto proposal = driver.optimizer().Propose(TrialId{999}, 0);
  ParameterVector candidate(2), zeros(2, 0.0f);
  proposal->Perturb(0, zeros, candidate);
  for (std::uint64_t t = 0; t < 50; ++t) {  // groups without a better candidate: only time passes
    driver.Observe({TrialId::Sync(t, 0), 0.0f, {1.0f}});
  }
  ASSERT_EQ(driver.theta(), zeros);
  const float better[] = {-1.0f};
  SerialExecutor executor;
  driver.optimizer().Observe({TrialId{999}, 0, 51, 50, 100, 0.0f, better}, zeros,
                             driver.mutable_theta(), executor);
  EXPECT_EQ(driver.theta(), candidate);
}

TEST(PeersTest, PairsThatAreNotFiniteAreLeftOut) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  for (const char* name : {"spsa", "mezo", "openai-es", "pgpe"}) {
    Driver driver(HalfSphere, ParameterVector(10, 1.0f), {8, false, false, 1}, 300);
    driver.Add(WithRate(name, 0.02), Slice::Whole(10));
    for (int t = 0; t < 300; ++t) {
      DriverGroup group = driver.Measure();
      group.losses[t % 8] = kNan;
      driver.Observe(group);
    }
    EXPECT_TRUE(driver.finite());
    EXPECT_LT(HalfSphere({}, driver.theta()), 0.5) << name;  // from 5
  }
}

}  // namespace
}  // namespace ndcao
