// `cao` against random search on every test function, at equal evaluations: medians of five seeds.
// Random search is given the best of four radii for each function, `cao` its defaults.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "block/driver.h"
#include "ndcao/evaluate/functions/make_function.h"

namespace ndcao {
namespace {

constexpr std::uint32_t kEvaluations = 500;
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

double BestRandomSearch(const TestFunction& function) {
  OptimizerDefaults defaults = DefaultsFor("random-search").value();
  double best = std::numeric_limits<double>::infinity();
  for (const double radius : {0.05, 0.1, 0.2, 0.5}) {
    defaults.options.peer.rate = radius;
    best = std::min(best, Median(function, defaults.options, defaults.shape));
  }
  return best;
}

class CaoFunctionsTest : public testing::TestWithParam<const char*> {};

TEST_P(CaoFunctionsTest, LinearBeatsRandomSearch) {
  const auto function = MakeTestFunction(GetParam()).value();
  const OptimizerDefaults cao = DefaultsFor("cao").value();
  const double random = BestRandomSearch(*function);
  const double found = Median(*function, cao.options, cao.shape);
  RecordProperty("random_search", std::to_string(random));
  RecordProperty("cao", std::to_string(found));
  EXPECT_LT(found, random);
}

TEST(CaoMonomialTest, BeatsRandomSearch) {
  const auto function = MakeTestFunction("rosenbrock:10").value();
  OptimizerDefaults cao = DefaultsFor("cao").value();
  cao.options.cao.estimator = CaoEstimator::kMonomial;
  EXPECT_LT(Median(*function, cao.options, cao.shape), BestRandomSearch(*function));
}

INSTANTIATE_TEST_SUITE_P(All, CaoFunctionsTest,
                         testing::Values("sphere:10", "rosenbrock:10", "rastrigin:10", "ackley:10",
                                         "noisy-quadratic:10", "ill-conditioned:10",
                                         "hold-the-line:5"),
                         [](const auto& info) {
                           std::string name(info.param);
                           for (char& c : name) {
                             if (c == '-' || c == ':') c = '_';
                           }
                           return name;
                         });

}  // namespace
}  // namespace ndcao
