// `cao` against random search on every test function, at equal evaluations: medians of five seeds.
// Both start with steps of the same size: α uniform in a box has the deviation α/√3.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "block/driver.h"
#include "ndcao/evaluate/functions/make_function.h"

namespace ndcao {
namespace {

constexpr std::uint32_t kEvaluations = 1000;
constexpr int kSeeds = 5;

double Median(const TestFunction& function, const BlockOptions& options, const GroupShape& shape) {
  std::vector<double> values;
  for (int seed = 1; seed <= kSeeds; ++seed) {
    const std::uint32_t groups = kEvaluations / (shape.evaluations + (shape.centre ? 1 : 0));
    Driver driver([&](TrialId t, std::span<const float> x) { return function.Measure(t, x); },
                  function.Start(seed), shape, groups);
    driver.Add(options, Slice::Whole(function.layout().size()), seed);
    driver.Run(groups);
    values.push_back(function.Value(driver.theta()));
  }
  std::nth_element(values.begin(), values.begin() + kSeeds / 2, values.end());
  return values[kSeeds / 2];
}

double RandomSearch(const TestFunction& function) {
  double square = 0;
  const ParameterVector start = function.Start(1);
  for (const double x : start) square += x * x / static_cast<double>(start.size());
  OptimizerDefaults defaults = DefaultsFor("random-search").value();
  const double alpha = DefaultsFor("cao").value().options.cao.step * std::sqrt(square);
  defaults.options.peer.rate = alpha / std::sqrt(3.0);
  return Median(function, defaults.options, defaults.shape);
}

class CaoFunctionsTest : public testing::TestWithParam<const char*> {};

TEST_P(CaoFunctionsTest, LinearBeatsRandomSearch) {
  const auto function = MakeTestFunction(GetParam()).value();
  const OptimizerDefaults cao = DefaultsFor("cao").value();
  const double random = RandomSearch(*function);
  const double found = Median(*function, cao.options, cao.shape);
  RecordProperty("random_search", std::to_string(random));
  RecordProperty("cao", std::to_string(found));
  EXPECT_LT(found, random);
}

TEST(CaoMonomialTest, BeatsRandomSearch) {
  const auto function = MakeTestFunction("rosenbrock:20").value();
  OptimizerDefaults cao = DefaultsFor("cao").value();
  cao.options.cao.estimator = CaoEstimator::kMonomial;
  EXPECT_LT(Median(*function, cao.options, cao.shape), RandomSearch(*function));
}

INSTANTIATE_TEST_SUITE_P(All, CaoFunctionsTest,
                         testing::Values("sphere:20", "rosenbrock:20", "rastrigin:20", "ackley:20",
                                         "noisy-quadratic:20", "ill-conditioned:20",
                                         "hold-the-line:10"),
                         [](const auto& info) {
                           std::string name(info.param);
                           for (char& c : name) {
                             if (c == '-' || c == ':') c = '_';
                           }
                           return name;
                         });

}  // namespace
}  // namespace ndcao
