#include "ndcao/evaluate/objective.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

TEST(MeanSquaredError, ComparesWithOneHotTargets) {
  // Example 0: (1 + 1 + 0) / 3; example 1: (0 + 9 + 1) / 3; example 2: (1 + 1 + 9) / 3.
  EXPECT_NEAR(Make("mse")->Loss(kOutputs, {}), (2 + 10 + 11) / 9.0, 1e-6);
}

TEST(Accuracy, IsMinusTheShareOfRightAnswers) {
  EXPECT_NEAR(Make("accuracy")->Loss(kOutputs, {}), -2.0 / 3, 1e-6);
  EXPECT_NEAR(Make("zero-one")->Loss(kOutputs, {}), 1.0 / 3, 1e-6);
  EXPECT_NEAR(Accuracy(kOutputs), 2.0 / 3, 1e-6);
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
