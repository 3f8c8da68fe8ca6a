#include "ndcao/evaluate/torch/local_kernels.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

namespace ndcao {
namespace {

using testing::FloatNear;
using testing::Pointwise;

std::vector<float> Values(std::size_t count, int seed) {
  std::vector<float> values;
  for (std::size_t i = 0; i < count; ++i) {
    values.push_back(static_cast<float>(std::sin(1.7 * static_cast<double>(i) + seed)));
  }
  return values;
}

// Widths below, at and above the number of results side by side; outputs that share and that do
// not.
TEST(LocalKernelsTest, ConvolvesAsWritten) {
  for (const std::int64_t width : {5, 18, 19, 30}) {
    for (const std::int64_t out : {1, 4, 6}) {
      const PlainConvolution shape{2, 7, width, out, 3, 3};
      const auto input = Values(static_cast<std::size_t>(2 * 7 * width), 1);
      const auto weights = Values(static_cast<std::size_t>(out * 2 * 9), 2);
      const auto bias = Values(static_cast<std::size_t>(out), 3);
      std::vector<float> expected;
      for (std::int64_t o = 0; o < out; ++o) {
        for (std::int64_t y = 0; y < 5; ++y) {
          for (std::int64_t x = 0; x < width - 2; ++x) {
            float sum = bias[static_cast<std::size_t>(o)];
            for (std::int64_t tap = 0; tap < 18; ++tap) {
              const std::int64_t from = (tap / 9 * 7 + y + tap % 9 / 3) * width + x + tap % 3;
              sum += weights[static_cast<std::size_t>(o * 18 + tap)] *
                     input[static_cast<std::size_t>(from)];
            }
            expected.push_back(sum);
          }
        }
      }
      std::vector<float> result(expected.size());
      ConvolveOne(shape, input.data(), weights.data(), bias.data(), result.data());
      EXPECT_THAT(result, Pointwise(FloatNear(1e-6f), expected)) << width << " " << out;
    }
  }
}

TEST(LocalKernelsTest, TheLargerNeighbourGetsTheSignal) {
  const std::vector<float> values = {1, 2, 5, 5, -3, -4};
  const std::vector<float> signal = {10, 20, 30};
  std::vector<float> back(6);
  PullPairs({1, 3, 1}, values.data(), signal.data(), back.data());
  EXPECT_EQ(back, (std::vector<float>{0, 10, 20, 0, 30, 0}));
  // Rows of three: the first row against the second.
  PullPairs({1, 1, 3}, values.data(), signal.data(), back.data());
  EXPECT_EQ(back, (std::vector<float>{0, 20, 30, 10, 0, 0}));
}

// Every width of a row: below a vector, one, and some with a rest.
TEST(LocalKernelsTest, TheLargerOfTwoTakesTheSignalAtAnyWidth) {
  std::mt19937 random(3);
  for (const std::int64_t inner : {1, 2, 7, 8, 14, 16, 17, 28, 33}) {
    for (const std::int64_t pairs : {1, 3, 14, 40}) {
      const PairShape shape{3, pairs, inner};
      const auto count = static_cast<std::size_t>(shape.outer * pairs * inner);
      std::vector<float> values(2 * count), signal(count), back(2 * count, -1);
      for (float& x : values) x = static_cast<float>(random() % 5);  // some are equal
      for (float& x : signal) x = static_cast<float>(random() % 1000) + 1;
      PullPairs(shape, values.data(), signal.data(), back.data());
      for (std::int64_t row = 0; row < shape.outer * pairs; ++row) {
        for (std::int64_t x = 0; x < inner; ++x) {
          const auto a = static_cast<std::size_t>(2 * row * inner + x);
          const auto b = a + static_cast<std::size_t>(inner);
          const float s = signal[static_cast<std::size_t>(row * inner + x)];
          ASSERT_EQ(back[a], values[b] <= values[a] ? s : 0) << inner << " " << pairs;
          ASSERT_EQ(back[b], values[b] <= values[a] ? 0 : s) << inner << " " << pairs;
        }
      }
    }
  }
}

TEST(LocalKernelsTest, CurvesTakeAProductBack) {
  const auto left = Values(36, 1);
  const auto right = Values(36, 2);
  std::vector<float> sigmoid, tanh, of_sigmoid, of_tanh;
  for (std::size_t i = 0; i < left.size(); ++i) {
    const float x = 3 * left[i];
    sigmoid.push_back(1 / (1 + std::exp(-x)));
    tanh.push_back(std::tanh(x));
    of_sigmoid.push_back(left[i] * right[i] * sigmoid[i] * (1 - sigmoid[i]));
    of_tanh.push_back(left[i] * right[i] * (1 - tanh[i] * tanh[i]));
  }
  std::vector<float> back(left.size());
  PullProductThroughCurve(Curve::kSigmoid, {1, 36, 0}, left.data(), right.data(), sigmoid.data(),
                          back.data());
  EXPECT_THAT(back, Pointwise(FloatNear(1e-6f), of_sigmoid));
  PullProductThroughCurve(Curve::kTanh, {1, 36, 0}, left.data(), right.data(), tanh.data(),
                          back.data());
  EXPECT_THAT(back, Pointwise(FloatNear(1e-6f), of_tanh));

  constexpr std::size_t kColumns = 18, kStride = 20;
  std::vector<float> rows(2 * kStride, 7);
  PullProductThroughCurve(Curve::kTanh, {2, kColumns, kStride}, left.data(), right.data(),
                          tanh.data(), rows.data());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::size_t column = i % kStride;
    const float expected = column < kColumns ? back[i / kStride * kColumns + column] : 7;
    EXPECT_EQ(rows[i], expected) << i;
  }
}

TEST(LocalKernelsTest, DotsOfRowsAndSquares) {
  for (const std::int64_t columns : {1, 15, 16, 70}) {
    constexpr std::int64_t kRows = 3;
    const auto x = Values(static_cast<std::size_t>(kRows * columns), 3);
    const auto y = Values(static_cast<std::size_t>(kRows * columns), 4);
    std::vector<float> dots(kRows);
    const double squares = DotRows(kRows, columns, x.data(), y.data(), dots.data());
    EXPECT_NEAR(squares, std::inner_product(x.begin(), x.end(), x.begin(), 0.0), 1e-5 * squares);
    for (std::int64_t i = 0; i < kRows; ++i) {
      const auto from = x.begin() + i * columns;
      const double expected =
          std::inner_product(from, from + columns, y.begin() + i * columns, 0.0);
      EXPECT_NEAR(dots[static_cast<std::size_t>(i)], expected, 1e-4) << columns;
    }
  }
}

TEST(LocalKernelsTest, SquaresOfManyValues) {
  for (const std::size_t count : {std::size_t{1}, std::size_t{4096}, std::size_t{10'007}}) {
    const auto x = Values(count, 5);
    const double expected = std::inner_product(x.begin(), x.end(), x.begin(), 0.0);
    EXPECT_NEAR(SumOfSquares(static_cast<std::int64_t>(count), x.data()), expected,
                1e-5 * expected);
  }
}

TEST(LocalKernelsTest, ColumnsAreAddedRowByRow) {
  for (const std::int64_t columns : {1, 16, 37}) {
    constexpr std::int64_t kRows = 5;
    const auto x = Values(static_cast<std::size_t>(kRows * columns), 6);
    std::vector<float> sums(static_cast<std::size_t>(columns), 0.5f);
    std::vector<float> expected = sums;
    for (std::size_t i = 0; i < x.size(); ++i) expected[i % expected.size()] += x[i];
    AddColumnSums(kRows, columns, x.data(), sums.data());
    EXPECT_EQ(sums, expected);
  }
}

TEST(LocalKernelsTest, GatesAreOpenAboveZero) {
  auto x = Values(37, 7);
  x[3] = 0;
  x[20] = std::numeric_limits<float>::quiet_NaN();
  const auto signal = Values(37, 8);
  std::vector<float> gates(x.size(), 7), back(x.size(), 7);
  PullThroughGates(37, x.data(), nullptr, gates.data());
  PullThroughGates(37, x.data(), signal.data(), back.data());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const bool open = !(x[i] <= 0);  // as in LibTorch, NaN goes on
    EXPECT_EQ(gates[i], open ? 1 : 0) << i;
    EXPECT_EQ(back[i], open ? signal[i] : 0) << i;
  }
}

}  // namespace
}  // namespace ndcao
