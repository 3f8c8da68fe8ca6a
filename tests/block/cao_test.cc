#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "block/driver.h"
#include "ndcao/evaluate/functions/quadratic.h"

namespace ndcao {
namespace {

constexpr GroupShape kCaoShape{0, true, false, 1};

BlockOptions Cao() { return DefaultsFor("cao").value().options; }

double Sum(TrialId, std::span<const float> x) {
  double sum = 0;
  for (const double v : x) sum += v;
  return sum;
}

ParameterVector PlaceOf(const BlockOptimizer& optimizer, TrialId trial, std::size_t size) {
  ParameterVector point(size);
  const auto proposal = optimizer.Propose(trial, 0);
  EXPECT_TRUE(proposal->places());
  proposal->Place(point);
  return point;
}

TEST(CaoTest, MeasuresTheStartFirstAndRestsAtTheBest) {
  const Quadratic quadratic(Quadratic::LogSpaced(10, 10));
  std::vector<float> seen;
  const ParameterVector start = quadratic.Start(1);
  Driver driver(
      [&](TrialId, std::span<const float> x) {
        if (seen.empty()) {
          EXPECT_TRUE(std::equal(x.begin(), x.end(), start.begin()));
        }
        seen.push_back(static_cast<float>(quadratic.Value(x)));
        return quadratic.Value(x);
      },
      start, kCaoShape, 200);
  driver.Add(Cao(), Slice::Whole(10));
  for (int t = 0; t < 200; ++t) {
    driver.Run(1);
    const double best = *std::min_element(seen.begin(), seen.end());
    ASSERT_NEAR(quadratic.Value(driver.theta()), best, 1e-5 * best);
  }
  EXPECT_EQ(seen.size(), 200u);  // one evaluation of J per iteration
  EXPECT_LT(seen.back(), 0.1 * seen.front());
}

TEST(CaoTest, CandidatesStayInTheBoxAroundTheCentre) {
  BlockOptions options = Cao();
  options.sigma = 0.25;  // α(0) in units of the parameters
  options.cao.schedule = CaoStep::kDecaying;
  Driver driver(Sum, ParameterVector(6, 2.0f), kCaoShape, 100);
  driver.Add(options, Slice::Whole(6));
  for (int t = 0; t < 50; ++t) {
    const ParameterVector centre = driver.theta();
    const ParameterVector point = PlaceOf(driver.optimizer(), TrialId::Sync(t, 0), 6);
    const double alpha = 0.25 / std::sqrt(1.0 + t);
    double farthest = 0;
    for (std::size_t i = 0; i < 6; ++i) {
      farthest = std::max(farthest, std::abs(double{point[i]} - centre[i]));
    }
    EXPECT_LE(farthest, alpha * 1.001);
    if (t > 0) {
      EXPECT_GT(farthest, 0.2 * alpha);
    }
    driver.Run(1);
  }
}

TEST(CaoTest, TheStepIsRelativeToTheStart) {
  const auto farthest = [](float scale) {
    BlockOptions options = Cao();
    options.cao.candidates = 1;
    Driver driver(Sum, ParameterVector(50, scale), kCaoShape, 10);
    driver.Add(options, Slice::Whole(50));
    driver.Run(1);
    const ParameterVector point = PlaceOf(driver.optimizer(), TrialId{5}, 50);
    double most = 0;
    for (const float x : point) most = std::max(most, std::abs(double{x} - scale));
    return most;
  };
  EXPECT_NEAR(farthest(100.0f) / farthest(1.0f), 100, 0.01);
  EXPECT_NEAR(farthest(0.0f), farthest(1.0f), 1e-6);  // a start at zero counts as one of size 1
}

TEST(CaoTest, DrawsAreKeyedByTrialAndBlock) {
  Driver driver(Sum, ParameterVector(8, 1.0f), kCaoShape, 10);
  driver.Add(Cao(), Slice({{0, 0, 4}}), 1, 100);
  driver.Add(Cao(), Slice({{4, 4, 4}}), 1, 104);
  driver.Run(1);
  const ParameterVector first = PlaceOf(driver.optimizer(0), TrialId{5}, 8);
  const ParameterVector second = PlaceOf(driver.optimizer(1), TrialId{5}, 8);
  EXPECT_EQ(first, PlaceOf(driver.optimizer(0), TrialId{5}, 8));
  EXPECT_NE(first, PlaceOf(driver.optimizer(0), TrialId{6}, 8));
  EXPECT_NE(first[0], second[4]);
}

GroupObservation At(TrialId trial, std::uint64_t base, std::uint64_t version, float loss) {
  return {trial, base, version, static_cast<double>(version - 1), 1000, loss, {}};
}

// A late loss belongs to the point that was proposed at its base version.
TEST(CaoTest, AStaleLossIsAttributedToWhereItWasMeasured) {
  for (const CaoEstimator estimator : {CaoEstimator::kLinear, CaoEstimator::kMonomial}) {
    BlockOptions options = Cao();
    options.cao.estimator = estimator;
    options.cao.keep_largest = true;
    options.cao.window = 10;
    Driver driver(Sum, ParameterVector(5, 1.0f), kCaoShape, 1000);
    driver.Add(options, Slice::Whole(5));
    driver.Run(40);
    const TrialId late = TrialId::Async(3, 7);
    const ParameterVector point = PlaceOf(driver.optimizer(), late, 5);
    driver.Run(60);
    ASSERT_NE(PlaceOf(driver.optimizer(), late, 5), point);
    SerialExecutor executor;
    driver.optimizer().Observe(At(late, 40, 101, -100.0f), driver.theta(), driver.mutable_theta(),
                               executor);
    for (std::size_t i = 0; i < 5; ++i) EXPECT_FLOAT_EQ(driver.theta()[i], point[i]);
  }
}

// As an audit does, which proposes a group's trial again.
TEST(CaoTest, ATrialThatIsProposedTwiceIsKnownByItsVersion) {
  BlockOptions options = Cao();
  options.cao.window = 10;
  Driver driver(Sum, ParameterVector(5, 1.0f), kCaoShape, 1000);
  driver.Add(options, Slice::Whole(5));
  driver.Run(40);
  const TrialId twice = TrialId::Async(3, 7);
  const ParameterVector older = PlaceOf(driver.optimizer(), twice, 5);
  driver.Run(60);
  const ParameterVector newer = PlaceOf(driver.optimizer(), twice, 5);
  ASSERT_NE(newer, older);
  SerialExecutor executor;
  driver.optimizer().Observe(At(twice, 100, 101, -100.0f), driver.theta(), driver.mutable_theta(),
                             executor);
  for (std::size_t i = 0; i < 5; ++i) EXPECT_FLOAT_EQ(driver.theta()[i], newer[i]);
}

TEST(CaoTest, ALossFromBeforeMemoryTeachesNothing) {
  BlockOptions options = Cao();
  options.cao.window = 10;
  Driver driver(Sum, ParameterVector(5, 1.0f), kCaoShape, 1000);
  driver.Add(options, Slice::Whole(5));
  driver.Run(200);
  const ParameterVector before = driver.theta();
  SerialExecutor executor;
  driver.optimizer().Observe(At(TrialId::Async(3, 7), 40, 201, -100.0f), driver.theta(),
                             driver.mutable_theta(), executor);
  EXPECT_EQ(driver.theta(), before);
}

TEST(CaoTest, GroupsOfOneRoundShareWhatWasKnown) {
  GroupShape shape = kCaoShape;
  shape.slots = 3;
  Driver driver(Sum, ParameterVector(5, 1.0f), shape, 1000);
  driver.Add(Cao(), Slice::Whole(5));
  driver.Run(12);
  std::vector<ParameterVector> points;
  for (std::uint32_t slot = 0; slot < 3; ++slot) {
    points.push_back(PlaceOf(driver.optimizer(), TrialId::Sync(12, slot), 5));
  }
  EXPECT_NE(points[0], points[1]);  // each slot draws its own candidates
  SerialExecutor executor;
  const float losses[] = {-10, -5, -20};
  for (std::uint32_t slot = 0; slot < 3; ++slot) {
    driver.optimizer().Observe(At(TrialId::Sync(12, slot), 12, 13, losses[slot]), driver.theta(),
                               driver.mutable_theta(), executor);
    const ParameterVector& best = points[slot == 2 ? 2 : 0];
    for (std::size_t i = 0; i < 5; ++i) EXPECT_FLOAT_EQ(driver.theta()[i], best[i]);
  }
}

// In asynchronous runs moves gather in a vector of their own and are made later.
TEST(CaoTest, MovesAddUpToTheBestPoint) {
  Driver driver(Sum, ParameterVector(5, 1.0f), kCaoShape, 1000);
  driver.Add(Cao(), Slice::Whole(5));
  const auto other =
      MakeOptimizer(Cao(), {Slice::Whole(5), 1, 0, 5, kCaoShape}, ParameterVector(5, 1.0f));
  ParameterVector moves(5, 0.0f), theta(5, 1.0f);
  SerialExecutor executor;
  for (std::uint64_t t = 0; t < 60; ++t) {
    const DriverGroup group = driver.Measure();
    driver.Observe(group);
    GroupObservation observation = At(group.trial, t, t + 1, group.centre);
    other->Observe(observation, theta, moves, executor);
  }
  for (std::size_t i = 0; i < 5; ++i) EXPECT_NEAR(1 + moves[i], driver.theta()[i], 1e-5);
}

TEST(CaoTest, TheCurrentPointMayBeTheCentre) {
  BlockOptions options = Cao();
  options.cao.centre = CaoCentre::kCurrent;
  Driver driver(Sum, ParameterVector(5, 1.0f), kCaoShape, 100);
  driver.Add(options, Slice::Whole(5));
  driver.Run(20);
  const ParameterVector point = PlaceOf(driver.optimizer(), TrialId::Sync(20, 0), 5);
  driver.Observe({TrialId::Sync(20, 0), 1e6f, {}});  // worse than all before
  for (std::size_t i = 0; i < 5; ++i) EXPECT_FLOAT_EQ(driver.theta()[i], point[i]);
}

// In a run whose groups are another optimizer's, `cao` stands at its candidate in every evaluation.
TEST(CaoTest, BlockByBlockEachLearnsFromItsOwnMove) {
  // Two blocks, f = f_0(x_0) + f_1(x_1): what a block is told changes only with its own part.
  const auto part = [](float x, double at) { return (x - at) * (x - at); };
  BlockOptions options = DefaultsFor("cao").value().options;
  options.sigma = 0.2;
  options.cao.coordinate = true;
  const GroupShape shape{2, true, false, 1};
  constexpr double kHorizon = 300;
  std::vector<std::unique_ptr<BlockOptimizer>> blocks;
  const std::vector<float> start = {0, 0};
  for (std::uint64_t i = 0; i < 2; ++i) {
    blocks.push_back(MakeOptimizer(options, {Slice({{i, i, 1}}), 3, i, 2, shape, i}, start));
  }
  std::vector<float> theta = start;
  SerialExecutor executor;
  double own = NAN;
  for (std::uint64_t g = 0; g < kHorizon; ++g) {
    std::vector<std::shared_ptr<const Proposal>> proposals;
    std::vector<float> centre = theta;
    for (const auto& block : blocks) {
      proposals.push_back(block->Propose({g}, 0));
      proposals.back()->Place(centre);
    }
    std::vector<float> losses;
    for (std::uint32_t k = 0; k < 2; ++k) {
      std::vector<float> point = centre;
      for (const auto& proposal : proposals) proposal->Perturb(k, centre, point);
      EXPECT_EQ(point[1 - k], centre[1 - k]);
      losses.push_back(static_cast<float>(part(point[0], 1) + 100 * part(point[1], -1)));
    }
    const auto loss = static_cast<float>(part(centre[0], 1) + 100 * part(centre[1], -1));
    for (const auto& block : blocks) {
      block->Observe({{g}, g, g + 1, static_cast<double>(g), kHorizon, loss, losses}, theta, theta,
                     executor);
    }
    // Block 0's account differs from f_0 by a constant: what block 1 does never enters it.
    const double account = blocks[0]->Statistics().front().value - part(centre[0], 1);
    if (g > 0) EXPECT_NEAR(account, own, 1e-3);
    own = account;
  }
  EXPECT_NEAR(theta[0], 1, 0.05);
  EXPECT_NEAR(theta[1], -1, 0.05);
}

TEST(CaoTest, KeepsStillThroughAGroupOfAnotherShape) {
  const Quadratic quadratic(Quadratic::LogSpaced(20, 3));
  for (const bool centre : {true, false}) {
    const GroupShape shape{16, centre, false, 1};
    Driver driver([&](TrialId, std::span<const float> x) { return quadratic.Value(x); },
                  quadratic.Start(1), shape, 300);
    BlockOptions spsa = DefaultsFor("spsa").value().options;
    spsa.peer.rate = 0.05;
    driver.Add(Cao(), Slice({{0, 0, 5}}));
    driver.Add(spsa, Slice({{5, 5, 15}}));
    const ParameterVector point = PlaceOf(driver.optimizer(), TrialId{1}, 20);
    ParameterVector out(20);
    driver.optimizer().Propose(TrialId{1}, 0)->Perturb(7, point, out);
    EXPECT_TRUE(std::equal(out.begin(), out.begin() + 5, point.begin()));
    const double before = quadratic.Value(driver.theta());
    driver.Run(300);
    EXPECT_LT(quadratic.Value(driver.theta()), 0.3 * before);
  }
}

}  // namespace
}  // namespace ndcao
