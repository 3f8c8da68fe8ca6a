// The statistics and the step of the noise-budget optimizer, on quadratics whose gradient and
// Hessian are known (derivations: docs/algorithm.md).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <vector>

#include "ndcao/block/block_optimizer.h"
#include "ndcao/block/noise_statistics.h"
#include "ndcao/params/parameter_vector.h"

namespace ndcao {
namespace {

/// f(θ) = ½ Σ h_i (θ_i − 1)² in double, with h_i = 1 … 1 + spread.
struct Quadratic {
  std::vector<double> h;

  Quadratic(std::size_t size, double spread) : h(size) {
    for (std::size_t i = 0; i < size; ++i) {
      h[i] = 1 + spread * static_cast<double>(i) / static_cast<double>(size);
    }
  }
  double operator()(std::span<const float> theta) const {
    double sum = 0;
    for (std::size_t i = 0; i < h.size(); ++i) {
      sum += 0.5 * h[i] * (theta[i] - 1.0) * (theta[i] - 1.0);
    }
    return sum;
  }
  double trace() const {
    double sum = 0;
    for (const double x : h) sum += x;
    return sum;
  }
  double squared_gradient(std::span<const float> theta) const {
    double sum = 0;
    for (std::size_t i = 0; i < h.size(); ++i) {
      sum += h[i] * h[i] * (theta[i] - 1.0) * (theta[i] - 1.0);
    }
    return sum;
  }
};

struct Optimizer {
  BlockOptions options = DefaultsFor("noise-budget").value().options;
  GroupShape shape = DefaultsFor("noise-budget").value().shape;
  std::unique_ptr<BlockOptimizer> optimizer;
  std::vector<float> theta;
  SerialExecutor executor;

  Optimizer(std::size_t size, float start, std::uint32_t evaluations = 64, std::uint32_t slots = 1)
      : theta(size, start) {
    options.sigma = options.sigma_end = 1e-2;
    shape.evaluations = evaluations;
    shape.slots = slots;
    optimizer = MakeOptimizer(options, {Slice::Whole(size), 7, 0, size, shape}, theta);
  }
  /// Measures and observes one group; `target` takes the move.
  void Group(const Quadratic& f, std::uint64_t trial, double time, double horizon,
             std::span<float> target) {
    const auto proposal = optimizer->Propose({trial}, 0);
    std::vector<float> point(theta.size());
    std::vector<float> losses;
    for (std::uint32_t k = 0; k < shape.evaluations; ++k) {
      proposal->Perturb(k, theta, point);
      losses.push_back(static_cast<float>(f(point)));
    }
    optimizer->Observe(
        {{trial}, trial, trial + 1, time, horizon, static_cast<float>(f(theta)), losses}, theta,
        target, executor);
  }
  double Value(const std::string& name) const {
    for (const Statistic& s : optimizer->Statistics()) {
      if (s.name == name) return s.value;
    }
    return NAN;
  }
};

TEST(NoiseBudgetTest, StatisticsFindTheGradientAndTheCurvature) {
  // θ is held: moves go to a vector that is thrown away. Losses are float32 of about 16, so a
  // difference carries a rounding error of about 1e-6; over σ² = 1e-4 that is 1e-2 per loss,
  // far below the predicted errors.
  constexpr std::size_t kSize = 64;
  const Quadratic f(kSize, 2);
  Optimizer o(kSize, 0.5f);
  std::vector<float> moves(kSize, 0.0f);
  constexpr int kGroups = 300;
  for (int g = 0; g < kGroups; ++g) {
    o.Group(f, static_cast<std::uint64_t>(g), g, kGroups, moves);
  }
  const double gradient = f.squared_gradient(o.theta);
  // The mean of 64 variances of 64 values over a memory of 50 groups: a relative error of
  // √(2/63/50) ≈ 2.5 %, and σ²-terms of ½ σ² Σ_{i≠j} 0 = 0 for a diagonal Hessian. Five of those.
  EXPECT_NEAR(o.Value("gB2"), gradient, 5 * 0.025 * gradient);
  // mean L_k − L0 has the deviation σ ‖g‖ / √M, so the estimate 2 ‖g‖ / (σ √M), over √groups.
  const double error = 2 * std::sqrt(gradient) / (o.options.sigma * 8) / std::sqrt(kGroups);
  EXPECT_NEAR(o.Value("trH"), f.trace(), 5 * error);
}

TEST(NoiseBudgetTest, TheNoiseInjectedIsWhatTheBudgetSays) {
  // Each group injects ½ η² M trH gB2 = f² eps L / T, and Σ f² ≈ T/2: eps L / 2 over the run. With
  // θ held the statistics are constant, and with h = 1 a move injects half its square.
  constexpr std::size_t kSize = 4096;  // large: the stability bound does not bind
  const Quadratic f(kSize, 0);
  Optimizer o(kSize, 0.9f);
  constexpr int kGroups = 400;
  double injected = 0;
  for (int g = 0; g < kGroups; ++g) {
    std::vector<float> move(kSize, 0.0f);
    o.Group(f, static_cast<std::uint64_t>(g), g, kGroups, move);
    // Without the gradient's own part, which is a share M/d of the move.
    for (const float x : move) injected += 0.5 * x * x;
  }
  const double loss = f(o.theta);
  const double eps = o.options.noise_budget.eps;
  // Without the quiet start, Σ f² is (1 − 30/400)² T/2 = 0.43 T; the gradient's own part of a move
  // adds a share M/d = 1.6 %, and the clip and the estimates move it by a few per cent.
  EXPECT_NEAR(injected / (eps * loss), 0.43, 0.05);
}

TEST(NoiseBudgetTest, DescendsAQuadraticAtTheRateThatItsStepsPredict) {
  // H = I, d = 30, M = 16. With a = η M a group multiplies the expected loss by 1 − 2a + a² κ, and
  // κ = 1 + d/(M−1) − (M−2)/(M(M−1)) (docs/convergence.md, Theorem 1). η is known before the group
  // but for the group's own weight of 2 %, so the loss over the product of these factors keeps its
  // mean, here over 400 runs of 100 groups, 70 of them with a step.
  constexpr int kRuns = 400;
  constexpr double kSize = 30, kM = 16;
  constexpr double kKappa = 1 + kSize / (kM - 1) - (kM - 2) / (kM * (kM - 1));
  double ratio = 0, predicted = 0;
  for (int run = 0; run < kRuns; ++run) {
    const Quadratic f(30, 0);
    Optimizer o(30, 0.0f, 16);
    const double before = f(o.theta);
    double product = 1;
    for (int g = 0; g < 100; ++g) {
      o.Group(f, static_cast<std::uint64_t>(1000 * run + g), g, 300, o.theta);
      const double a = o.Value("eta") * kM;
      product *= 1 - 2 * a + a * a * kKappa;
    }
    ratio += f(o.theta) / before / product / kRuns;
    predicted += product / kRuns;
  }
  EXPECT_LT(predicted, 0.01);
  EXPECT_NEAR(ratio, 1, 0.05);
}

TEST(NoiseBudgetTest, ShortRunsAndSmallGroupsDoNotDiverge) {
  // T M = 80 · 64 is far below eps · d / 4 = 15,000: only the stability bound keeps this together.
  struct Case {
    std::uint32_t evaluations;
    int groups;
  };
  for (const Case c : {Case{64, 80}, Case{32, 80}, Case{32, 200}}) {
    const Quadratic f(30000, 1);
    Optimizer o(30000, 0.0f, c.evaluations);
    const double before = f(o.theta);
    for (int g = 0; g < c.groups; ++g) {
      o.Group(f, static_cast<std::uint64_t>(g), g, c.groups, o.theta);
      ASSERT_LT(f(o.theta), 1.5 * before);
    }
    EXPECT_LT(f(o.theta), before);
  }
}

TEST(NoiseBudgetTest, ABlockOfOneParameterLearns) {
  const Quadratic f(1, 0);
  Optimizer o(1, 0.0f);
  for (int g = 0; g < 200; ++g) o.Group(f, static_cast<std::uint64_t>(g), g, 200, o.theta);
  EXPECT_LT(f(o.theta), 0.05);
}

TEST(NoiseBudgetTest, OneAbsurdGroupNeitherStopsNorDrivesTheRun) {
  const Quadratic f(64, 1);
  Optimizer honest(64, 0.0f);
  Optimizer lied(64, 0.0f);
  for (int g = 0; g < 200; ++g) {
    honest.Group(f, static_cast<std::uint64_t>(g), g, 200, honest.theta);
    lied.Group(f, static_cast<std::uint64_t>(g), g, 200, lied.theta);
    if (g == 100) {
      std::vector<float> losses(64);
      for (std::size_t k = 0; k < 64; ++k) losses[k] = k % 2 == 0 ? 1e20f : -1e20f;
      lied.optimizer->Observe({{9999}, 101, 102, 100, 200, 1e20f, losses}, lied.theta, lied.theta,
                              lied.executor);
    }
  }
  EXPECT_LT(f(lied.theta), std::max(10 * f(honest.theta), 0.02 * 48));
}

TEST(NoiseBudgetTest, PerturbationsNarrowAndGroupsAreReadWithTheirOwn) {
  const Quadratic f(64, 1);
  Optimizer o(64, 0.5f);
  o.options.sigma = 0.04;
  o.options.sigma_end = 0.01;
  o.optimizer = MakeOptimizer(o.options, {Slice::Whole(64), 7, 0, 64, o.shape}, o.theta);
  EXPECT_FLOAT_EQ(*o.optimizer->Propose({1}, 0)->step(), 0.04f);
  EXPECT_FLOAT_EQ(*o.optimizer->Propose({1}, 0.5)->step(), 0.025f);
  EXPECT_FLOAT_EQ(*o.optimizer->Propose({1}, 1)->step(), 0.01f);
  std::vector<float> target(64, 0.0f), point(64);
  for (std::uint64_t g = 0; g < 400; ++g) {
    // In an order that a fold does not have: late groups among others.
    const double progress = static_cast<double>(g * 7919 % 400) / 400;
    const auto proposal = o.optimizer->Propose({g}, progress);
    std::vector<float> losses;
    for (std::uint32_t k = 0; k < 64; ++k) {
      proposal->Perturb(k, o.theta, point);
      losses.push_back(static_cast<float>(f(point)));
    }
    o.optimizer->Observe({{g}, g, g + 1, 0, 1e9, static_cast<float>(f(o.theta)), losses, progress},
                         o.theta, target, o.executor);
    EXPECT_EQ(static_cast<float>(o.Value("sigma")), *proposal->step());
  }
  const double gradient = f.squared_gradient(o.theta);
  EXPECT_NEAR(o.Value("gB2"), gradient, 0.1 * gradient);
  EXPECT_NEAR(o.Value("trH"), f.trace(), 0.1 * f.trace());
}

TEST(NoiseStatisticsTest, TooFewFiniteLossesTeachNothing) {
  NoiseStatistics statistics({});
  const float nan = NAN;
  EXPECT_FALSE(statistics.Add(1, std::vector<float>{1, 2, 3, nan, nan}, 1e-2));
  EXPECT_FALSE(statistics.Add(nan, std::vector<float>{1, 2, 3, 4, 5}, 1e-2));
  EXPECT_TRUE(statistics.Add(1, std::vector<float>{1, 2, 3, 4, nan}, 1e-2));
  EXPECT_EQ(statistics.groups(), 1);
  const auto coefficients = statistics.Coefficients(1, std::vector<float>{1, 2, 3, 4, nan});
  EXPECT_EQ(coefficients[4], 0);
}

TEST(NoiseStatisticsTest, ConstantAndNegativeLosses) {
  NoiseStatistics constant({});
  for (int i = 0; i < 100; ++i) constant.Add(2, std::vector<float>(64, 2.0f), 1e-2);
  EXPECT_EQ(constant.Step(50, 100), 0);
  // The same landscape, 100 lower: the loss is negative, so its range stands for it.
  NoiseStatistics lower({});
  for (int i = 0; i < 100; ++i) {
    std::vector<float> losses;
    for (int k = 0; k < 64; ++k) losses.push_back(-100 + 0.01f * static_cast<float>(k % 7));
    lower.Add(-100.0f + 1.0f / static_cast<float>(i + 1) - 1, losses, 1e-2);
  }
  EXPECT_GT(lower.Step(50, 100), 0);
  EXPECT_TRUE(std::isfinite(lower.Step(50, 100)));
}

/// Statistics of `groups` groups whose losses lie at 1 ± 1e-4 + shift, the centre at 1: with σ =
/// 0.01 gB2 is 1e-4 · 64/63, and the curvature 2e4 · shift. The budget is out of the way.
NoiseStatistics Seen(int groups, float shift, double gathered = 4) {
  StepContext context;
  context.gathered = gathered;
  context.parameters = 1e6;
  context.options.eps = 1e12;
  NoiseStatistics statistics(context);
  std::vector<float> losses;
  for (int k = 0; k < 64; ++k) losses.push_back(1 + shift + (k % 2 == 0 ? 1e-4f : -1e-4f));
  for (int i = 0; i < groups; ++i) statistics.Add(1, losses, 1e-2);
  return statistics;
}

TEST(NoiseStatisticsTest, TheLimitOfStabilityIsApproachedFromBelow) {
  // Curvature 200; f = √½ at half time. The share .15 is given up over 60 groups after the
  // first 30.
  const double last = std::sqrt(0.5) / 200;
  const auto step = [](int groups) { return Seen(groups, 1e-2f).Step(5000, 10000); };
  EXPECT_EQ(step(29), 0);
  EXPECT_NEAR(step(30), last / (1 + 255 * 0.15), 0.01 * step(30));
  EXPECT_NEAR(step(60), last / (1 + 255 * 0.15 / 16), 0.01 * step(60));
  EXPECT_NEAR(step(90), last, 0.01 * last);
}

TEST(NoiseStatisticsTest, ABlockThatGathersMoreGroupsBeginsLowerAndTakesAsManyMoves) {
  // Ten groups a move: 639 evaluations beside each one, and 150 groups for the share to go.
  const double last = std::sqrt(0.5) / 200;
  const auto step = [](int groups) { return Seen(groups, 1e-2f, 10).Step(5000, 10000); };
  EXPECT_NEAR(step(30), last / (1 + 639 * 0.15), 0.01 * step(30));
  EXPECT_NEAR(step(105), last / (1 + 639 * 0.15 / 16), 0.01 * step(105));
  EXPECT_NEAR(step(180), last, 0.01 * last);
}

TEST(NoiseStatisticsTest, CurvatureThatCannotBeToldFromZeroCountsWithItsError) {
  // 2 √gB2 / (σ √(M n)), n = 400.
  const double error = 2 * 1e-2 * std::sqrt(64.0 / 63) / (1e-2 * 8 * 20);
  const double step = Seen(400, 0).Step(5000, 10000);
  EXPECT_NEAR(step, std::sqrt(0.5) / error, 0.02 * step);
}

TEST(NoiseStatisticsTest, ALandscapeThatBendsDownHasAScaleToo) {
  // A quarter of |−200|.
  const double step = Seen(400, -1e-2f).Step(5000, 10000);
  EXPECT_NEAR(step, std::sqrt(0.5) / 50, 0.02 * step);
}

// Losses in rounds of four groups, whatever the block does about them.
struct Rounds {
  ParameterVector theta = ParameterVector(64, 1.0f);
  std::unique_ptr<BlockOptimizer> optimizer;
  SerialExecutor executor;
  std::uint64_t version = 0;

  explicit Rounds(std::uint32_t guard = 2) {
    BlockOptions options = DefaultsFor("noise-budget").value().options;
    options.noise_budget.guard = guard;
    CohortContext context{Slice::Whole(64), 1, 0, 64, {64, true, false, 4}};
    context.gathered = 4;
    optimizer = MakeOptimizer(options, context, theta);
  }
  void Add(const std::function<float(int)>& level) {
    std::vector<std::vector<float>> losses(4);
    std::vector<GroupObservation> groups;
    for (int slot = 0; slot < 4; ++slot) {
      auto& own = losses[static_cast<std::size_t>(slot)];
      for (int k = 0; k < 64; ++k) own.push_back(level(slot) + (k % 2 == 0 ? 2e-3f : -1e-3f));
      groups.push_back({TrialId::Sync(version, static_cast<std::uint32_t>(slot)), version,
                        version + 1, 4.0 * static_cast<double>(version) + slot, 400, level(slot),
                        own});
    }
    optimizer->ObserveAll(groups, theta, theta, executor);
    ++version;
  }
  void Fall(int rounds) {
    for (int r = 0; r < rounds; ++r) {
      const float first = 2.0f - 0.04f * static_cast<float>(version);
      Add([&](int slot) { return first - 0.01f * static_cast<float>(slot); });
    }
  }
};

// The four groups of a round are measured at one place, so none of them has seen the others' moves.
TEST(NoiseBudgetTest, ARollBackReturnsToWhereTheLeastLossWasMeasured) {
  Rounds rounds;
  rounds.Fall(19);
  const ParameterVector before = rounds.theta;
  rounds.Fall(1);
  ASSERT_NE(rounds.theta, before);
  ASSERT_TRUE(rounds.optimizer->TakeDecisions().empty());
  rounds.Add([](int) { return 1e6f; });
  ASSERT_EQ(rounds.optimizer->TakeDecisions().size(), 1u);
  for (std::size_t i = 0; i < 64; ++i) EXPECT_NEAR(rounds.theta[i], before[i], 1e-6f);
}

// Runs of before format 7 replay as they were: a part of the last good round stays.
TEST(NoiseBudgetTest, TheGuardsFirstRulesForgetMovesOfTheirOwnRound) {
  Rounds rounds(1);
  rounds.Fall(19);
  const ParameterVector before = rounds.theta;
  rounds.Fall(1);
  rounds.Add([](int) { return 1e6f; });
  ASSERT_EQ(rounds.optimizer->TakeDecisions().size(), 1u);
  float farthest = 0;
  for (std::size_t i = 0; i < 64; ++i) {
    farthest = std::max(farthest, std::abs(rounds.theta[i] - before[i]));
  }
  EXPECT_GT(farthest, 1e-5f);
}

TEST(NoiseBudgetTest, GoesOnFromALossThatTakingBackDoesNotMend) {
  Rounds rounds;
  rounds.Fall(20);
  for (int r = 0; r < 10; ++r) rounds.Add([](int) { return 50.0f; });
  // One roll-back; its place turns out no better, so that is where the run stands.
  EXPECT_EQ(rounds.optimizer->TakeDecisions().size(), 2u);
  const ParameterVector before = rounds.theta;
  rounds.Add([](int) { return 50.0f; });
  EXPECT_NE(rounds.theta, before);
  for (const Statistic& s : rounds.optimizer->Statistics()) {
    if (s.name == "step_factor") {
      EXPECT_GT(s.value, 0.5);
    }
  }
}

TEST(NoiseBudgetTest, ComesBackFromWhereTheLossIsNotFinite) {
  // Beyond a radius the loss does not exist. The first moves are driven there by losses that lie.
  const Quadratic f(64, 1);
  Optimizer o(64, 0.0f);
  const auto loss = [&](std::span<const float> theta) {
    return f(theta) > 100 ? std::numeric_limits<double>::infinity() : f(theta);
  };
  for (int g = 0; g < 600; ++g) {
    const auto trial = static_cast<std::uint64_t>(g);
    const auto proposal = o.optimizer->Propose({trial}, 0);
    std::vector<float> point(64);
    std::vector<float> losses;
    for (std::uint32_t k = 0; k < 64; ++k) {
      proposal->Perturb(k, o.theta, point);
      losses.push_back(static_cast<float>(loss(point)));
    }
    o.optimizer->Observe({{trial},
                          trial,
                          trial + 1,
                          static_cast<double>(g),
                          600,
                          static_cast<float>(loss(o.theta)),
                          losses},
                         o.theta, o.theta, o.executor);
    if (g == 60) {
      for (float& x : o.theta) x -= 3;  // an accident that no move of its own explains
    }
    if (g == 62) {
      EXPECT_EQ(o.optimizer->TakeDecisions().size(), 1u);
      for (float& x : o.theta) x += 3;
    }
  }
  EXPECT_LT(f(o.theta), 0.1);
  EXPECT_EQ(o.Value("step_factor"), 1);  // after many more than a tenth of the groups
}

// Losses that show an explosion: a block that hears them once more takes another half of its step.
TEST(NoiseBudgetTest, GroupsFromBeforeTheLastBlockIsBackTeachNothing) {
  BlockOptions options = DefaultsFor("noise-budget").value().options;
  const ParameterVector initial(64, 1.0f);
  CohortContext context{Slice::Whole(64), 1, 0, 64, {64, true, false, 1}};
  context.gathered = context.wait = 10;
  const auto optimizer = MakeOptimizer(options, context, initial);
  ParameterVector moves(64, 0.0f);
  SerialExecutor executor;
  std::uint64_t version = 0;
  const auto observe = [&](float level) {
    std::vector<float> losses;
    for (int k = 0; k < 64; ++k) losses.push_back(level + (k % 2 == 0 ? 2e-3f : -1e-3f));
    optimizer->Observe(
        {{version}, version, version + 1, static_cast<double>(version), 1000, level, losses},
        initial, moves, executor);
    ++version;
    return optimizer->TakeDecisions().size();
  };
  const auto state = [&] {
    ByteWriter out;
    optimizer->Save(out);
    return out.bytes();
  };
  for (int g = 0; g < 100; ++g) ASSERT_EQ(observe(1), 0u);
  while (observe(50) == 0) ASSERT_LT(version, 200u);
  const auto rolled_back = state();
  for (int g = 0; g < 9; ++g) EXPECT_EQ(observe(50), 0u);
  EXPECT_EQ(state(), rolled_back);
  observe(1);
  EXPECT_NE(state(), rolled_back);
}

TEST(NoiseBudgetTest, TheGuardTakesBackWhatItDid) {
  // After 60 groups the losses are those of the mirrored perturbations, so that every step is in
  // the wrong direction and the loss rises: the guard returns θ to where the loss was least.
  const Quadratic f(64, 1);
  Optimizer o(64, 0.0f);
  double risen = 0;
  bool rolled_back = false;
  for (int g = 0; g < 400 && !rolled_back; ++g) {
    const auto trial = static_cast<std::uint64_t>(g);
    const auto proposal = o.optimizer->Propose({trial}, 0);
    const double centre = f(o.theta);
    std::vector<float> point(64);
    std::vector<float> losses;
    for (std::uint32_t k = 0; k < 64; ++k) {
      proposal->Perturb(k, o.theta, point);
      for (std::size_t i = 0; g >= 60 && i < 64; ++i) point[i] = 2 * o.theta[i] - point[i];
      losses.push_back(static_cast<float>(f(point)));
    }
    o.optimizer->Observe({{trial},
                          trial,
                          trial + 1,
                          static_cast<double>(g),
                          400,
                          static_cast<float>(centre),
                          losses},
                         o.theta, o.theta, o.executor);
    rolled_back = !o.optimizer->TakeDecisions().empty();
    risen = centre;
  }
  ASSERT_TRUE(rolled_back);
  EXPECT_EQ(o.Value("step_factor"), 0.5);
  // F is a mean of some 20 groups, so its least value is reached on the way up.
  EXPECT_LT(f(o.theta), 0.7 * risen);
}

}  // namespace
}  // namespace ndcao
