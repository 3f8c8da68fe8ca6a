// The second moment of a weight's inputs, and its inverse.
#include "ndcao/activation/input_factor.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ndcao/base/bytes.h"
#include "ndcao/random/sequence.h"

namespace ndcao {
namespace {

constexpr std::size_t kWidth = 5;
constexpr double kRidge = 0.1;

/// Σ x xᵀ of `rows` inputs whose values are of very different size, the last of them 1.
InputSum Measured(RandomSequence& random, int rows) {
  InputSum sum{std::vector<float>(kWidth * kWidth, 0.0f), static_cast<double>(rows)};
  for (int row = 0; row < rows; ++row) {
    double x[kWidth];
    for (std::size_t i = 0; i < kWidth; ++i) x[i] = std::pow(3.0, i) * (1 + random.Normal());
    x[kWidth - 1] = 1;
    for (std::size_t i = 0; i < kWidth * kWidth; ++i) {
      sum.values[i] += static_cast<float>(x[i / kWidth] * x[i % kWidth]);
    }
  }
  return sum;
}

void Add(InputFactor& factor, const std::vector<InputSum>& slots) {
  std::vector<const InputSum*> pointers;
  for (const InputSum& slot : slots) pointers.push_back(&slot);
  factor.Add(pointers);
}

std::vector<float> Inverse(const InputFactor& factor) {
  return {factor.inverse().begin(), factor.inverse().end()};
}

/// The largest difference between (A/a + ridge) · inverse and the identity.
double Residue(const std::vector<double>& moment, std::span<const float> inverse) {
  double size = 0;
  for (std::size_t i = 0; i < kWidth; ++i) size += moment[i * kWidth + i] / kWidth;
  double worst = 0;
  for (std::size_t i = 0; i < kWidth; ++i) {
    for (std::size_t j = 0; j < kWidth; ++j) {
      double sum = kRidge * inverse[i * kWidth + j] - (i == j);
      for (std::size_t k = 0; k < kWidth; ++k) {
        sum += moment[i * kWidth + k] / size * inverse[k * kWidth + j];
      }
      worst = std::max(worst, std::fabs(sum));
    }
  }
  return worst;
}

TEST(InputFactorTest, TheInverseIsThatOfTheMeanOverAllSlots) {
  RandomSequence random(1, Purpose::kTest, 1);
  const std::vector<InputSum> slots = {Measured(random, 40), Measured(random, 24)};
  InputFactor factor(kWidth);
  EXPECT_TRUE(factor.inverse().empty());
  Add(factor, slots);
  std::vector<double> moment(kWidth * kWidth);
  for (std::size_t i = 0; i < moment.size(); ++i) {
    moment[i] = (slots[0].values[i] + slots[1].values[i]) / 64.0;
  }
  ASSERT_EQ(factor.inverse().size(), kWidth * kWidth);
  EXPECT_LT(Residue(moment, factor.inverse()), 1e-4);
}

TEST(InputFactorTest, LaterBatchesCountMore) {
  RandomSequence random(1, Purpose::kTest, 2);
  const InputSum first = Measured(random, 64);
  const InputSum second = Measured(random, 32);
  InputFactor factor(kWidth);
  Add(factor, {first});
  Add(factor, {second});
  std::vector<double> moment(kWidth * kWidth);
  for (std::size_t i = 0; i < moment.size(); ++i) {
    moment[i] = (0.8 * first.values[i] / 64 + second.values[i] / 32) / 1.8;
  }
  EXPECT_LT(Residue(moment, factor.inverse()), 1e-4);
}

TEST(InputFactorTest, WhatIsEmptyOrNotFiniteIsLeftOut) {
  RandomSequence random(1, Purpose::kTest, 3);
  InputFactor factor(kWidth);
  Add(factor, {InputSum(), InputSum()});
  Add(factor, {InputSum{std::vector<float>(kWidth * kWidth, 0.0f), 8}});  // dead inputs
  EXPECT_TRUE(factor.inverse().empty());
  Add(factor, {Measured(random, 64)});
  const std::vector<float> before = Inverse(factor);
  InputSum broken = Measured(random, 64);
  broken.values[7] = NAN;
  Add(factor, {Measured(random, 64), broken});
  EXPECT_EQ(Inverse(factor), before);
}

TEST(InputFactorTest, WhatWasSavedGoesOnAlike) {
  RandomSequence random(1, Purpose::kTest, 4);
  InputFactor factor(kWidth);
  Add(factor, {Measured(random, 64)});
  Add(factor, {Measured(random, 64)});
  ByteWriter out;
  factor.Save(out);
  const std::vector<std::byte> bytes = out.Take();
  ByteReader in(bytes);
  InputFactor loaded(kWidth);
  loaded.Load(in);
  ASSERT_TRUE(in.ok());
  EXPECT_EQ(Inverse(loaded), Inverse(factor));
  const InputSum next = Measured(random, 64);
  Add(factor, {next});
  Add(loaded, {next});
  EXPECT_EQ(Inverse(loaded), Inverse(factor));

  ByteReader again(bytes);
  InputFactor other(kWidth + 1);
  other.Load(again);
  EXPECT_FALSE(again.ok());
}

}  // namespace
}  // namespace ndcao
