#include "ndcao/worker/simulation.h"

#include <gtest/gtest.h>

namespace ndcao {
namespace {

constexpr std::uint64_t kParameters = 10;

RunSpec Spec(RunMode mode) {
  RunSpec spec;
  spec.model = "made-up";
  spec.mode = mode;
  spec.blocks = "single";
  spec.shape.evaluations = 4;
  spec.screening = 0;
  spec.batch = 0;
  return spec;
}

/// Everything takes exactly its time, and the journal none.
SimulationOptions Exact(std::uint32_t workers) {
  SimulationOptions options;
  options.workers = workers;
  options.seconds = 100;
  options.group = 1;
  options.group_spread = 0;
  options.fold = 0;
  options.latency = 0;
  options.latency_spread = 0;
  options.appends_per_second = 1e12;
  options.deliveries_per_second = 1e12;
  return options;
}

SimulationResult Simulated(RunMode mode, const SimulationOptions& options) {
  const Layout layout = Layout::Flat(kParameters);
  auto result = Simulate(Spec(mode), layout, ParameterVector(kParameters, 0.5f), options);
  EXPECT_TRUE(result.ok()) << result.error().message();
  return std::move(result).value();
}

double Groups(const SimulationResult& result) {
  return static_cast<double>(result.counters.groups);
}

TEST(SimulationTest, OneWorkerTakesTheSumOfItsTimes) {
  SimulationOptions options = Exact(1);
  options.fold = 0.25;
  options.latency = 0.125;  // there and back
  const SimulationResult result = Simulated(RunMode::kAsync, options);
  EXPECT_NEAR(Groups(result), 100 / 1.5, 1);
  EXPECT_NEAR(result.evaluating, 1 / 1.5, 0.02);
  EXPECT_NEAR(result.folding, 0.25 / 1.5, 0.02);
  EXPECT_EQ(result.staleness.at(0), result.counters.groups);
}

TEST(SimulationTest, AsynchronousWorkersAddUpWhileNothingSaturates) {
  const SimulationResult result = Simulated(RunMode::kAsync, Exact(40));
  EXPECT_NEAR(Groups(result), 4000, 40);
  EXPECT_EQ(result.counters.image_forwards_wasted, 0u);
}

// Everybody folds everything: no more than 1/fold groups a second, however many workers.
TEST(SimulationTest, TheFoldBoundsReplicatedTraining) {
  SimulationOptions options = Exact(50);
  options.fold = 0.1;
  options.group_spread = 0.1;
  const SimulationResult result = Simulated(RunMode::kAsync, options);
  EXPECT_LT(Groups(result), 100 / 0.1);
  EXPECT_GT(Groups(result), 0.7 * 100 / (0.1 + 1.0 / 50));
}

TEST(SimulationTest, MoreWorkersThanTheStalenessLimitAllowsWasteTheirGroups) {
  const SimulationResult result = Simulated(RunMode::kAsync, Exact(200));
  EXPECT_GT(result.counters.stale, 0u);
  EXPECT_LE(result.staleness.rbegin()->first, Spec(RunMode::kAsync).staleness_limit);
}

TEST(SimulationTest, ARoundHasNoMoreThanItsSlots) {
  // Four slots, eight workers: all finish at the same time, half of them for nothing.
  const SimulationResult result = Simulated(RunMode::kSync, Exact(8));
  EXPECT_NEAR(Groups(result), 400, 8);
  EXPECT_GT(result.counters.duplicates, 0u);
}

TEST(SimulationTest, WhoHearsInTimeGivesUp) {
  SimulationOptions options = Exact(8);
  options.group_spread = 0.3;
  const SimulationResult result = Simulated(RunMode::kSync, options);
  EXPECT_GT(result.cancelled, 0u);
  EXPECT_LT(result.counters.duplicates, result.cancelled / 10);
}

TEST(SimulationTest, TheJournalBoundsAppends) {
  SimulationOptions options = Exact(50);
  options.appends_per_second = 10;
  const SimulationResult result = Simulated(RunMode::kAsync, options);
  EXPECT_LE(result.appended, 1000u);
  EXPECT_GT(result.journal_busy, 0.95);
}

TEST(SimulationTest, LostWorkersAreReplacedAndCostTheirShare) {
  SimulationOptions options = Exact(40);
  options.seconds = 400;
  options.life = 20;
  options.absence = 20;
  const SimulationResult result = Simulated(RunMode::kAsync, options);
  EXPECT_GT(result.lost, 100u);
  // Half of the time alive, and a group lost with each worker: about 0.5 · (1 − 0.5/20).
  EXPECT_NEAR(Groups(result), 0.49 * 400 * 40, 0.05 * 400 * 40);
}

TEST(SimulationTest, TheSameSeedGivesTheSameRun) {
  SimulationOptions options = Exact(30);
  options.group_spread = 0.5;
  options.straggler_share = 0.05;
  options.latency = 0.01;
  options.latency_spread = 0.5;
  const SimulationResult a = Simulated(RunMode::kAsync, options);
  const SimulationResult b = Simulated(RunMode::kAsync, options);
  EXPECT_EQ(a.staleness, b.staleness);
  EXPECT_EQ(a.evaluating, b.evaluating);
  options.seed = 2;
  EXPECT_NE(Simulated(RunMode::kAsync, options).evaluating, a.evaluating);
}

TEST(SimulationTest, NonsenseIsRefused) {
  SimulationOptions options = Exact(0);
  EXPECT_FALSE(options.Validate().ok());
  options.workers = 10001;
  EXPECT_FALSE(options.Validate().ok());
  options.workers = 10000;
  EXPECT_TRUE(options.Validate().ok());
}

}  // namespace
}  // namespace ndcao
