// Every built-in network on small made-up data: that it fits, depends on its parameters, and is
// the same for the same seed.
#include "ndcao/evaluate/torch/zoo.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>

#include "evaluate/made_up_data.h"
#include "ndcao/evaluate/torch/network_problem.h"
#include "ndcao/evaluate/torch/runtime.h"

namespace ndcao {
namespace {

using testing::AllOf;
using testing::HasSubstr;

Result<std::unique_ptr<Problem>> Make(const std::string& model, std::vector<std::int64_t> shape,
                                      int classes = 10) {
  InitTorch();
  return MakeNetworkProblem({.model = model}, MadeUpData(shape, classes));
}

struct Known {
  const char* model;
  std::uint64_t grey;    // parameters for 1 × 28 × 28
  std::uint64_t colour;  // for 3 × 32 × 32; 0: does not take it
};

class ZooTest : public testing::TestWithParam<Known> {};

TEST_P(ZooTest, FitsTheData) {
  const auto grey = Make(GetParam().model, {1, 28, 28});
  ASSERT_TRUE(grey.ok()) << grey.error().message();
  EXPECT_EQ(grey.value()->layout().size(), GetParam().grey);
  const auto colour = Make(GetParam().model, {3, 32, 32});
  ASSERT_EQ(colour.ok(), GetParam().colour > 0);
  if (colour.ok()) {
    EXPECT_EQ(colour.value()->layout().size(), GetParam().colour);
  }
}

TEST_P(ZooTest, InitialParametersFollowTheSeed) {
  const auto problem = Make(GetParam().model, {1, 28, 28}).value();
  const ParameterVector first = problem->Initial(1).value();
  EXPECT_EQ(first, problem->Initial(1).value());
  EXPECT_NE(first, problem->Initial(2).value());
}

// A start that says nothing yet: neither saturated nor dead.
TEST_P(ZooTest, StartsNearTheLossOfGuessing) {
  const auto problem = Make(GetParam().model, {1, 28, 28}).value();
  const auto evaluator = problem->NewEvaluator().value();
  const ParameterVector initial = problem->Initial(1).value();
  std::copy(initial.begin(), initial.end(), evaluator->parameters().begin());
  const double loss = evaluator->Test().value().loss;
  EXPECT_GT(loss, std::log(10.0) - 1);
  EXPECT_LT(loss, std::log(10.0) + 3);
}

INSTANTIATE_TEST_SUITE_P(
    All, ZooTest,
    testing::Values(Known{"mlp:784-256-10", 203530, 0}, Known{"lenet5", 61706, 62006},
                    Known{"cnn11k", 11274, 14074}, Known{"resnet8", 74762, 75050},
                    Known{"resnet20", 268746, 269034}, Known{"lstm:28x128", 81674, 0},
                    Known{"vit-tiny", 71946, 81098}, Known{"bnn:784-256-10", 203264, 0},
                    Known{"int8-mlp:784-256-10", 203530, 0}));

TEST(Zoo, WidthsThatDoNotFitAreRefusedWithBothSides) {
  for (const char* family : {"mlp", "bnn", "int8-mlp"}) {
    const auto problem = Make(std::string(family) + ":100-10", {1, 28, 28});
    ASSERT_FALSE(problem.ok());
    EXPECT_THAT(problem.error().message(), AllOf(HasSubstr("100"), HasSubstr("784")));
  }
  EXPECT_THAT(Make("mlp:784-10", {1, 28, 28}, 4).error().message(), HasSubstr("4 classes"));
  EXPECT_THAT(Make("lstm:28x16", {3, 32, 32}).error().message(),
              AllOf(HasSubstr("28"), HasSubstr("96")));
  EXPECT_THAT(Make("lenet5", {1, 8, 8}).error().message(),
              AllOf(HasSubstr("28 x 28"), HasSubstr("8 x 8")));
  EXPECT_THAT(Make("resnet8", {12}).error().message(), HasSubstr("[12]"));
}

TEST(Zoo, NamesThatAreNotKnownAreRefusedWithTheList) {
  for (const char* name : {"", "mlp", "mlp:", "mlp:784--10", "mlp:784-x", "lstm:28", "lstm:28x0",
                           "resnet9", "lenet50", "lstm:28x99999999999999999999"}) {
    const auto problem = Make(name, {1, 28, 28});
    ASSERT_FALSE(problem.ok()) << name;
    EXPECT_EQ(problem.error().code(), ErrorCode::kInvalid);
  }
  const auto unknown = DescribeZooModel("alexnet", {});
  for (const std::string& name : ZooNames()) {
    EXPECT_THAT(unknown.error().message(), HasSubstr(name));
  }
}

TEST(Zoo, OnlyNetworksOnAGridNeedALargeSigma) {
  EXPECT_EQ(DefaultSigma("mlp:784-10"), 0);
  EXPECT_EQ(DefaultSigma("model.pt"), 0);
  EXPECT_GT(DefaultSigma("bnn:784-256-10"), 0);
  EXPECT_GE(DefaultSigma("int8-mlp:784-256-10"), 1);  // a step of the grid
}

// The staircase: nothing changes until a sign or a rounded value does.
TEST(Zoo, TheLossOfIntegerNetworksIsAStaircase) {
  for (const auto& [model, small, large] :
       {std::tuple("bnn:784-16-10", 1e-7f, 3.0f), std::tuple("int8-mlp:784-16-10", 1e-7f, 3.0f)}) {
    const auto problem = Make(model, {1, 28, 28}).value();
    const auto evaluator = problem->NewEvaluator().value();
    const ParameterVector initial = problem->Initial(1).value();
    const auto loss_at = [&](float step) {
      for (std::size_t i = 0; i < initial.size(); ++i) {
        evaluator->parameters()[i] = initial[i] + (i % 3 == 0 ? step : -step);
      }
      return evaluator->Test().value().loss;
    };
    EXPECT_EQ(loss_at(0), loss_at(small)) << model;
    EXPECT_NE(loss_at(0), loss_at(large)) << model;
  }
}

}  // namespace
}  // namespace ndcao
