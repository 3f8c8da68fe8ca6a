#include "ndcao/data/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "ndcao/random/sequence.h"

namespace ndcao {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::FloatEq;

std::vector<std::uint32_t> Draw(std::uint64_t seed, TrialId trial, std::uint32_t population,
                                std::size_t count) {
  std::vector<std::uint32_t> out(count);
  DrawExamples(seed, trial, population, out);
  return out;
}

TEST(DrawExamples, IsTheKeyedSequence) {
  const TrialId trial = TrialId::Sync(12, 3);
  RandomSequence sequence(5, Purpose::kExamples, trial.value);
  for (const std::uint32_t example : Draw(5, trial, 60000, 100)) {
    EXPECT_EQ(example, sequence.Below(60000));
  }
}

// A journal names trials, not examples: these numbers, from another program, may never change.
TEST(DrawExamples, KnownAnswers) {
  EXPECT_THAT(Draw(42, TrialId::Sync(1, 2), 60000, 5),
              ElementsAre(56871, 1726, 27115, 27145, 27459));
  EXPECT_EQ(ScreeningOffset(42, TrialId::Sync(1, 2)), 2172428701 * 0x1p-32);
}

TEST(DrawExamples, DependsOnSeedAndTrial) {
  const TrialId trial = TrialId::Sync(0, 0);
  EXPECT_EQ(Draw(1, trial, 1000, 50), Draw(1, trial, 1000, 50));
  EXPECT_NE(Draw(1, trial, 1000, 50), Draw(2, trial, 1000, 50));
  EXPECT_NE(Draw(1, trial, 1000, 50), Draw(1, TrialId::Sync(0, 1), 1000, 50));
  EXPECT_NE(Draw(1, trial, 1000, 50), Draw(1, TrialId::Async(0, 0), 1000, 50));
}

TEST(DrawExamples, IsUniform) {
  std::vector<int> counts(10, 0);
  for (const std::uint32_t example : Draw(3, TrialId::Sync(1, 1), 10, 100'000)) ++counts[example];
  // Standard deviation of a count: sqrt(1e5 · .1 · .9) = 95; five of them.
  EXPECT_THAT(counts, Each(testing::AllOf(testing::Gt(9525), testing::Lt(10475))));
}

TEST(ScreeningOffset, IsUniformAndKeyed) {
  double sum = 0;
  for (std::uint64_t round = 0; round < 1000; ++round) {
    const double u = ScreeningOffset(7, TrialId::Sync(round, 0));
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    sum += u;
  }
  EXPECT_NEAR(sum / 1000, .5, .05);  // five standard deviations of the mean: 5 · .289 / √1000
  const TrialId trial = TrialId::Sync(12, 3);
  EXPECT_EQ(ScreeningOffset(7, trial),
            RandomSequence(7, Purpose::kExamples, trial.value, 1).Uniform());
  EXPECT_NE(ScreeningOffset(7, TrialId::Sync(0, 0)), ScreeningOffset(7, TrialId::Sync(0, 1)));
  EXPECT_NE(ScreeningOffset(7, TrialId::Sync(0, 0)), ScreeningOffset(8, TrialId::Sync(0, 0)));
}

TEST(ScreenExamples, ByHand) {
  // p = .05 + .8 · (1/4, 0, 0, 3/4) = (.25, .05, .05, .65); targets .125, .375, .625, .875.
  const std::vector<float> scores = {1, 0, 0, 3};
  const Screened screened = ScreenExamples(scores, 4, .5);
  EXPECT_THAT(screened.positions, ElementsAre(0, 3, 3, 3));
  EXPECT_THAT(screened.weights,
              ElementsAre(FloatEq(1), FloatEq(1 / 2.6f), FloatEq(1 / 2.6f), FloatEq(1 / 2.6f)));
}

TEST(ScreenExamples, WithoutScoresIsUniform) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float score : {0.0f, -1.0f, nan, infinity, -infinity}) {
    const Screened screened = ScreenExamples(std::vector<float>(8, score), 4, .25);
    EXPECT_THAT(screened.positions, ElementsAre(0, 2, 4, 6));
    EXPECT_THAT(screened.weights, Each(1.0f));
  }
}

TEST(ScreenExamples, BadScoresCountAsZero) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  const Screened clean = ScreenExamples(std::vector<float>{2, 0, 0, 0, 1}, 50, .3);
  const Screened dirty = ScreenExamples(std::vector<float>{2, nan, -3, infinity, 1}, 50, .3);
  EXPECT_EQ(dirty.positions, clean.positions);
  EXPECT_EQ(dirty.weights, clean.weights);
}

TEST(ScreenExamples, LargestOffsetStaysInside) {
  const double u = 1 - 0x1p-32;
  for (std::size_t n = 1; n < 200; ++n) {
    const Screened screened = ScreenExamples(std::vector<float>(n, .1f), 16, u);
    EXPECT_LT(screened.positions.back(), n);
  }
}

std::vector<float> AnyScores(std::size_t count) {
  const auto score = rc::gen::map(rc::gen::inRange(-200, 1000), [](int thousandths) {
    return static_cast<float>(thousandths) / 1000;
  });
  return *rc::gen::container<std::vector<float>>(count, score);
}

RC_GTEST_PROP(ScreenExamples, PositionsIncreaseAndWeightsAreBounded, ()) {
  const auto n = *rc::gen::inRange<std::size_t>(1, 300);
  const auto b = *rc::gen::inRange<std::uint32_t>(1, 200);
  const auto u = *rc::gen::inRange(0, 1000) / 1000.0;
  const Screened screened = ScreenExamples(AnyScores(n), b, u);
  RC_ASSERT(screened.positions.size() == b);
  RC_ASSERT(screened.weights.size() == b);
  RC_ASSERT(std::is_sorted(screened.positions.begin(), screened.positions.end()));
  RC_ASSERT(screened.positions.back() < n);
  for (const float weight : screened.weights) {
    RC_ASSERT(weight <= 5.0001f);
    RC_ASSERT(weight >= 1 / (.8f * static_cast<float>(n) + .2f) * .9999f);
  }
}

// Averaged over u on a grid of G points, the b·G targets are an even grid on [0, 1): they miss the
// probability of a position by at most 2 / (bG), which weighs at most 5 |x|.
RC_GTEST_PROP(ScreenExamples, IsUnbiased, ()) {
  constexpr int kGrid = 4000;
  const auto n = *rc::gen::inRange<std::size_t>(1, 40);
  const auto b = *rc::gen::inRange<std::uint32_t>(1, 16);
  const std::vector<float> scores = AnyScores(n);
  const std::vector<float> x = AnyScores(n);
  double mean_weight = 0;
  double mean_estimate = 0;
  for (int i = 0; i < kGrid; ++i) {
    const Screened screened = ScreenExamples(scores, b, (i + .5) / kGrid);
    for (std::uint32_t j = 0; j < b; ++j) {
      mean_weight += screened.weights[j] / b / kGrid;
      mean_estimate += screened.weights[j] * x[screened.positions[j]] / b / kGrid;
    }
  }
  double mean = 0;
  for (const float value : x) mean += value / static_cast<double>(n);
  const double tolerance = 10.0 * static_cast<double>(n) / (b * static_cast<double>(kGrid)) + 1e-5;
  RC_ASSERT(std::abs(mean_weight - 1) <= tolerance);
  RC_ASSERT(std::abs(mean_estimate - mean) <= tolerance);
}

}  // namespace
}  // namespace ndcao
