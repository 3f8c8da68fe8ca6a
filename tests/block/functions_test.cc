#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "ndcao/evaluate/functions/classic.h"
#include "ndcao/evaluate/functions/hold_the_line.h"
#include "ndcao/evaluate/functions/make_function.h"
#include "ndcao/evaluate/functions/quadratic.h"

namespace ndcao {
namespace {

using testing::HasSubstr;

TEST(FunctionsTest, KnownValues) {
  const std::vector<float> zeros(7, 0.0f), ones(7, 1.0f), some = {1, 2, -1};
  EXPECT_EQ(Sphere(some), 6);
  EXPECT_EQ(Rosenbrock(ones), 0);
  EXPECT_EQ(Rosenbrock(some), 100 * (1 + 25) + (0 + 1));  // by hand
  EXPECT_EQ(Rastrigin(zeros), 0);
  EXPECT_NEAR(Rastrigin(some), 6, 1e-12);  // whole numbers are its local minima: Σ x²
  EXPECT_NEAR(Ackley(zeros), 0, 1e-12);
  EXPECT_NEAR(Ackley(ones), 20 * (1 - std::exp(-0.2)), 1e-12);
}

TEST(FunctionsTest, QuadraticsKnowTheirDerivatives) {
  const Quadratic quadratic(Quadratic::LogSpaced(12, 100));
  const ParameterVector at = quadratic.Start(3);
  const std::vector<double> gradient = quadratic.Gradient(at);
  double trace = 0;
  for (std::size_t i = 0; i < at.size(); ++i) {
    std::vector<double> axis(at.size(), 0.0);
    axis[i] = 1;
    const double curvature = quadratic.HessianTimes(axis)[i];
    trace += curvature;
    ParameterVector plus = at, minus = at;
    plus[i] += 0.25f, minus[i] -= 0.25f;  // a quadratic's differences are exact at any distance
    const double up = quadratic.Value(plus), down = quadratic.Value(minus);
    const double width = double{plus[i]} - minus[i];
    EXPECT_NEAR((up - down) / width, gradient[i], 1e-5);
    EXPECT_NEAR((up + down - 2 * quadratic.Value(at)) / (0.25 * 0.25), curvature, 1e-5);
  }
  EXPECT_NEAR(trace, quadratic.trace(), 1e-9);
  EXPECT_EQ(quadratic.greatest_eigenvalue(), 1);
  const std::vector<double>& c = quadratic.minimum();
  EXPECT_NEAR(quadratic.Value(ParameterVector(c.begin(), c.end())), 0, 1e-12);
}

TEST(FunctionsTest, NoiseIsKeyedByTheTrialAndAveragesToItsFloor) {
  const Quadratic noisy(Quadratic::LogSpaced(10, 10), 0.5);
  const ParameterVector x = noisy.Start(1);
  EXPECT_EQ(noisy.Measure(TrialId{5}, x), noisy.Measure(TrialId{5}, x));
  EXPECT_NE(noisy.Measure(TrialId{5}, x), noisy.Measure(TrialId{6}, x));
  constexpr int kTrials = 4000;
  double mean = 0, square = 0;
  for (std::uint64_t t = 0; t < kTrials; ++t) {
    const double loss = noisy.Measure(TrialId{t}, x) - noisy.Value(x);
    mean += loss / kTrials, square += loss * loss / kTrials;
  }
  const double error = std::sqrt((square - mean * mean) / kTrials);
  EXPECT_NEAR(mean, noisy.noise_floor(), 4 * error);
}

TEST(FunctionsTest, HoldTheLineLikesTheLine) {
  const HoldTheLine problem(6);
  EXPECT_EQ(problem.layout().tensors().size(), 6u);
  EXPECT_EQ(problem.layout().size(), 12u);
  ParameterVector line(12, 0.0f);
  for (std::size_t i = 0; i < 6; ++i) line[2 * i] = static_cast<float>(i) - 2.5f;
  const ParameterVector start = problem.Start(1);
  EXPECT_LT(problem.Value(line), 0.2 * problem.Value(start));
  ParameterVector bent = line;
  bent[1] += 1;
  EXPECT_GT(problem.Value(bent), problem.Value(line) + 0.05);
  // The line is free: it may be turned as long as robots stay near where they were.
  EXPECT_EQ(problem.Start(1), problem.Start(2));
}

TEST(FunctionsTest, MadeByName) {
  for (const std::string& name : FunctionNames()) {
    const auto problem = MakeFunction(name + ":8");
    ASSERT_TRUE(problem.ok()) << name;
    const auto initial = problem.value()->Initial(3);
    ASSERT_TRUE(initial.ok());
    EXPECT_EQ(initial.value().size(), problem.value()->layout().size());
    auto evaluator = problem.value()->NewEvaluator().value();
    std::copy(initial.value().begin(), initial.value().end(), evaluator->parameters().begin());
    EXPECT_TRUE(std::isfinite(evaluator->Loss(TrialId{1}, {}).value())) << name;
    EXPECT_GT(evaluator->Test().value().loss, 0) << name;
  }
}

TEST(FunctionsTest, ErrorsSayWhatExists) {
  EXPECT_THAT(MakeFunction("spheer:3").error().message(), HasSubstr("rosenbrock, rastrigin"));
  for (const char* text : {"sphere", "sphere:", "sphere:0", "rosenbrock:1", "sphere:3x",
                           "sphere:-3", "sphere:99999999999"}) {
    const auto problem = MakeFunction(text);
    ASSERT_FALSE(problem.ok()) << text;
    EXPECT_EQ(problem.error().code(), ErrorCode::kInvalid);
    EXPECT_THAT(problem.error().message(), HasSubstr(text));
  }
}

}  // namespace
}  // namespace ndcao
