#include "ndcao/block/cao_estimator.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ndcao/random/sequence.h"

namespace ndcao {
namespace {

/// Random offsets in [−1, 1], and losses that are a function of them.
template <typename Function>
CaoWindow MakeRandomWindow(std::size_t points, std::size_t dimension, Function loss) {
  RandomSequence random(1, Purpose::kTest, points * 1000 + dimension);
  CaoWindow window{points, dimension, {}, {}};
  for (std::size_t i = 0; i < points * dimension; ++i) {
    window.offsets.push_back(2 * random.Uniform() - 1);
  }
  for (std::size_t i = 0; i < points; ++i) window.losses.push_back(loss(window.row(i)));
  return window;
}

double Slope(const CaoEstimate& estimate, std::size_t dimension, std::size_t axis) {
  std::vector<double> u(dimension, 0.0);
  u[axis] = 1;
  return estimate.At(u);
}

TEST(CaoEstimatorTest, RidgeSolvesItsNormalEquations) {
  CaoWindow window = MakeRandomWindow(7, 12, [](auto u) { return u[0] - 2 * u[3] * u[4]; });
  CentreColumns(window.offsets, 7);
  const double ridge = 0.3;
  const std::vector<double> w = DualRidge(window.offsets, window.losses, ridge);
  double mean = 0;
  for (const double loss : window.losses) mean += loss / 7;
  for (std::size_t j = 0; j < 12; ++j) {  // Xᵀ(Xw − y) + λw = 0
    double sum = ridge * w[j];
    for (std::size_t i = 0; i < 7; ++i) {
      double error = mean - window.losses[i];
      for (std::size_t k = 0; k < 12; ++k) error += window.row(i)[k] * w[k];
      sum += window.row(i)[j] * error;
    }
    EXPECT_NEAR(sum, 0, 1e-12);
  }
}

TEST(CaoEstimatorTest, LinearFindsTheGradientOfAPlane) {
  const auto plane = [](std::span<const double> u) { return 5 + 2 * u[0] - 3 * u[2]; };
  const auto estimate = FitLinear(MakeRandomWindow(30, 4, plane), 1e-9);
  EXPECT_NEAR(Slope(*estimate, 4, 0), 2, 1e-6);
  EXPECT_NEAR(Slope(*estimate, 4, 1), 0, 1e-6);
  EXPECT_NEAR(Slope(*estimate, 4, 2), -3, 1e-6);
}

TEST(CaoEstimatorTest, LinearWithFewPointsStaysInTheirSpan) {
  // Two points that differ along (1, 1, 0): the estimate of least norm knows nothing else.
  CaoWindow window{2, 3, {0, 0, 0, 1, 1, 0}, {1, 2}};
  const auto estimate = FitLinear(window, 1e-9);
  EXPECT_NEAR(Slope(*estimate, 3, 0), 0.5, 1e-6);
  EXPECT_NEAR(Slope(*estimate, 3, 1), 0.5, 1e-6);
  EXPECT_NEAR(Slope(*estimate, 3, 2), 0, 1e-9);
}

TEST(CaoEstimatorTest, EqualLossesOrPointsFitNothing) {
  const auto flat = FitLinear(MakeRandomWindow(6, 3, [](auto) { return 4.0; }), 0.1);
  EXPECT_EQ(Slope(*flat, 3, 1), 0);
  const auto still = FitLinear({3, 2, std::vector<double>(6, 0.5), {1, 2, 3}}, 0.1);
  EXPECT_EQ(Slope(*still, 2, 1), 0);
}

TEST(CaoEstimatorTest, MonomialsFitProducts) {
  const auto product = [](std::span<const double> u) { return u[0] * u[1] - u[1]; };
  const CaoWindow window = MakeRandomWindow(60, 2, product);
  const auto estimate =
      MonomialEstimate::Fit(window, {}, 60, 1e-6, RandomSequence(1, Purpose::kCandidates, 1));
  const CaoWindow fresh = MakeRandomWindow(61, 2, product);
  const double constant = estimate->At(window.row(0)) - window.losses[0];
  for (std::size_t i = 0; i < fresh.points; ++i) {
    EXPECT_NEAR(estimate->At(fresh.row(i)) - constant, fresh.losses[i], 1e-3);
  }
}

TEST(CaoEstimatorTest, LargestMonomialsAreKept) {
  const CaoWindow window = MakeRandomWindow(40, 5, [](auto u) { return u[2]; });
  const auto fit = [&](const std::vector<Monomial>& kept, std::uint64_t name) {
    return MonomialEstimate::Fit(window, kept, 30, 1e-3,
                                 RandomSequence(1, Purpose::kCandidates, name));
  };
  const std::vector<Monomial> kept = fit({}, 1)->Largest();
  ASSERT_EQ(kept.size(), 15u);
  EXPECT_EQ(kept[0].coordinates[0], 2u);  // what the loss is made of
  const auto again = fit(kept, 2);
  EXPECT_EQ(again->Largest().size(), 15u);
}

TEST(CaoEstimatorTest, AnAbsurdLossDoesNotDrownTheOthers) {
  const auto point = [](float x) {
    return std::make_shared<const std::vector<float>>(std::vector<float>{x});
  };
  std::vector<CaoEntry> entries(6);
  for (std::size_t i = 0; i < 6; ++i) {
    entries[i].point = point(static_cast<float>(i));
    entries[i].loss = static_cast<float>(i);
  }
  entries[2].loss = 1e30f;
  const CaoWindow window = MakeWindow(entries, {0.0f}, 2);
  EXPECT_EQ(window.offsets[4], 2);         // 4 / step
  EXPECT_EQ(window.losses[2], 4 + 4 * 4);  // median 4, least 0
  EXPECT_GT(Slope(*FitLinear(window, 1e-3), 1, 0), 0);
}

}  // namespace
}  // namespace ndcao
