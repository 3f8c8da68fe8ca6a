#include "ndcao/evaluate/objective.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace ndcao {
namespace {

using testing::FloatNear;
using testing::HasSubstr;

// Three examples of three classes: right, wrong, right.
const std::vector<float> kValues = {2, 1, 0, 0, 3, 0, 1, 1, 4};
const std::vector<std::int32_t> kLabels = {0, 2, 2};
const Outputs kOutputs{kValues, kLabels, 3};

std::unique_ptr<Objective> Make(const std::string& name) { return MakeObjective(name).value(); }

double Softmax(double right, std::vector<double> all) {
  double sum = 0;
  for (const double x : all) sum += std::exp(x);
  return std::exp(right) / sum;
}

TEST(CrossEntropy, IsMinusTheLogarithmOfTheRightClass) {
  std::vector<float> losses(3);
  std::vector<float> scores(3);
  Make("cross-entropy")->PerExample(kOutputs, losses, scores);
  const double right[] = {Softmax(2, {2, 1, 0}), Softmax(0, {0, 3, 0}), Softmax(4, {1, 1, 4})};
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(losses[i], FloatNear(static_cast<float>(-std::log(right[i])), 1e-6f));
    EXPECT_THAT(scores[i], FloatNear(static_cast<float>(1 - right[i]), 1e-6f));
  }
}

TEST(CrossEntropy, DoesNotOverflow) {
  const std::vector<float> huge = {1e30f, 0, -1e30f};
  const std::vector<std::int32_t> label = {0};
  EXPECT_EQ(Make("cross-entropy")->Loss({huge, label, 3}, {}), 0);
}

TEST(CrossEntropy, IsNotFiniteWhereTheOutputsAreNot) {
  const std::vector<float> broken = {std::numeric_limits<float>::quiet_NaN(), 0, 0};
  const std::vector<std::int32_t> label = {1};
  EXPECT_FALSE(std::isfinite(Make("cross-entropy")->Loss({broken, label, 3}, {})));
}

TEST(CrossEntropy, IsNotFiniteWhereOneOfManyOutputsIsNot) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    for (std::size_t at = 0; at < 10; ++at) {
      std::vector<float> values(10 * 5, 0.5f);
      values[20 + at] = bad;
      const std::vector<std::int32_t> labels(5, 3);
      std::vector<float> losses(5);
      Make("cross-entropy")->PerExample({values, labels, 10}, losses, {});
      for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(std::isfinite(losses[i]), i != 2) << at;
    }
  }
}

TEST(CrossEntropy, OfAnExampleIsTheSameWhereverItStands) {
  constexpr std::size_t kClasses = 7;
  const std::vector<float> example = {0.3f, -1.7f, 2.9f, 0.01f, -0.4f, 1.1f, -3.3f};
  float first = 0;
  for (std::size_t count = 1; count <= 40; ++count) {
    for (std::size_t at = 0; at < count; ++at) {
      std::vector<float> values(count * kClasses);
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = 0.1f * static_cast<float>(i % 9);
      std::copy(example.begin(), example.end(), values.begin() + at * kClasses);
      std::vector<float> losses(count);
      const std::vector<std::int32_t> labels(count, 4);
      Make("cross-entropy")->PerExample({values, labels, kClasses}, losses, {});
      if (count == 1) first = losses[0];
      EXPECT_EQ(losses[at], first) << count << ", " << at;
    }
  }
}

TEST(Objectives, MovedOutputsAreThoseOfMovedCopies) {
  constexpr float kStep = 0.02f;
  for (const char* name : {"cross-entropy", "mse", "accuracy", "zero-one"}) {
    std::vector<float> losses(9);
    Make(name)->PerExampleMoved(kOutputs, kStep, losses);
    for (std::size_t c = 0; c < 3; ++c) {
      std::vector<float> moved = kValues;
      for (std::size_t i = 0; i < 3; ++i) moved[3 * i + c] += kStep;
      std::vector<float> expected(3);
      Make(name)->PerExample({moved, kLabels, 3}, expected, {});
      for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_THAT(losses[3 * c + i], FloatNear(expected[i], 1e-6f)) << name << c << i;
      }
    }
  }
}

TEST(CrossEntropy, IsNotFiniteWhenBrokenOutputsMove) {
  const std::vector<float> broken = {std::numeric_limits<float>::quiet_NaN(), 0, 0, 1, 2, 3};
  const std::vector<std::int32_t> labels = {1, 1};
  std::vector<float> losses(6);
  Make("cross-entropy")->PerExampleMoved({broken, labels, 3}, 0.02f, losses);
  for (std::size_t c = 0; c < 3; ++c) {
    EXPECT_FALSE(std::isfinite(losses[2 * c]));
    EXPECT_TRUE(std::isfinite(losses[2 * c + 1]));
  }
}

TEST(MeanSquaredError, ComparesWithOneHotTargets) {
  // Example 0: (1 + 1 + 0) / 3; example 1: (0 + 9 + 1) / 3; example 2: (1 + 1 + 9) / 3.
  EXPECT_NEAR(Make("mse")->Loss(kOutputs, {}), (2 + 10 + 11) / 9.0, 1e-6);
}

TEST(Accuracy, IsMinusTheShareOfRightAnswers) {
  EXPECT_NEAR(Make("accuracy")->Loss(kOutputs, {}), -2.0 / 3, 1e-6);
  EXPECT_NEAR(Make("zero-one")->Loss(kOutputs, {}), 1.0 / 3, 1e-6);
  EXPECT_NEAR(Accuracy(kOutputs), 2.0 / 3, 1e-6);
}

TEST(Accuracy, CountsBrokenOutputsAsNoAnswer) {
  const std::vector<float> broken = {std::numeric_limits<float>::quiet_NaN(), 0, 0, 1, 2, 3};
  const std::vector<std::int32_t> labels = {0, 2};
  const Outputs outputs{broken, labels, 3};
  EXPECT_EQ(Accuracy(outputs), 0.5);
  for (const char* name : {"accuracy", "zero-one", "macro-f1"}) {
    EXPECT_TRUE(std::isnan(Make(name)->Loss(outputs, {}))) << name;
  }
}

TEST(Objectives, WeightsApplyToExamplesAndAreNotNormalised) {
  const std::vector<float> weights = {0, 3, 0};
  EXPECT_NEAR(Make("zero-one")->Loss(kOutputs, weights), 1, 1e-6);
}

TEST(MacroF1, IsOneMinusTheMeanOverClasses) {
  // Class 0: TP 1 → F1 1. Class 1: one false positive → 0. Class 2: TP 1, FN 1 → 2/3.
  EXPECT_NEAR(Make("macro-f1")->Loss(kOutputs, {}), 1 - (1 + 0 + 2.0 / 3) / 3, 1e-6);
  EXPECT_FALSE(Make("macro-f1")->per_example());
}

TEST(MacroF1, LeavesOutClassesThatNeitherOccurNorArePredicted) {
  const std::vector<float> values = {1, 0, 0, 1, 0, 0};
  const std::vector<std::int32_t> labels = {0, 0};
  EXPECT_NEAR(Make("macro-f1")->Loss({values, labels, 3}, {}), 0, 1e-12);
}

TEST(Objectives, UnknownNamesAreRefusedWithTheList) {
  const auto unknown = MakeObjective("loss");
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().code(), ErrorCode::kInvalid);
  for (const std::string& name : ObjectiveNames()) {
    EXPECT_THAT(unknown.error().message(), HasSubstr(name));
    EXPECT_TRUE(MakeObjective(name).ok());
  }
}

}  // namespace
}  // namespace ndcao
