// What every optimizer promises, whatever its method.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <thread>

#include "block/driver.h"
#include "ndcao/evaluate/functions/quadratic.h"
#include "ndcao/random/sequence.h"

namespace ndcao {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// A small group that suits every optimizer: pairs, and a centre.
constexpr GroupShape kShape{8, true, false, 1};

BlockOptions OptionsFor(const std::string& name) {
  BlockOptions options = DefaultsFor(name).value().options;
  options.cao.candidates = 20;
  options.cao.window = 8;
  if (name == "spsa" || name == "mezo") options.peer.rate = 1e-3;
  return options;
}

/// Losses of a rough landscape, without a landscape: keyed numbers.
DriverGroup SyntheticGroup(std::uint64_t number) {
  RandomSequence random(9, Purpose::kTest, number);
  DriverGroup group{TrialId::Sync(number, 0), static_cast<float>(2 + 0.1 * random.Normal()), {}};
  for (std::uint32_t k = 0; k < kShape.evaluations; ++k) {
    group.losses.push_back(static_cast<float>(2.01 + 0.1 * random.Normal()));
  }
  return group;
}

Driver MakeDriver(ParameterVector theta, double horizon = 100) {
  return Driver([](TrialId, std::span<const float> x) { return double{x[0]} * x[0]; },
                std::move(theta), kShape, horizon);
}

ParameterVector Ramp(std::uint64_t size) {
  ParameterVector theta(size);
  for (std::size_t i = 0; i < size; ++i) theta[i] = 0.01f * static_cast<float>(i % 37) - 0.2f;
  return theta;
}

/// Every third run of five parameters belongs to the slice.
Slice Scattered(std::uint64_t size) {
  std::vector<Run> runs;
  for (std::uint64_t i = 2; i + 5 <= size; i += 15) runs.push_back({i, i, 5});
  return Slice(std::move(runs));
}

std::vector<std::byte> Saved(const BlockOptimizer& optimizer) {
  ByteWriter out;
  optimizer.Save(out);
  return out.Take();
}

class OptimizersTest : public testing::TestWithParam<std::string> {};

TEST_P(OptimizersTest, GoesOnBitForBitAfterSaveAndLoad) {
  const Quadratic quadratic(Quadratic::LogSpaced(40, 10));
  const auto loss = [&](TrialId, std::span<const float> x) { return quadratic.Value(x); };
  for (const CaoEstimator estimator : {CaoEstimator::kLinear, CaoEstimator::kMonomial}) {
    BlockOptions options = OptionsFor(GetParam());
    options.cao.estimator = estimator;
    options.cao.keep_largest = true;
    Driver whole(loss, quadratic.Start(1), kShape, 220);
    whole.Add(options, Slice::Whole(40));
    whole.Run(100);  // enough for cao to have forgotten its first entries
    const std::vector<std::byte> state = Saved(whole.optimizer());
    Driver resumed(loss, whole.theta(), kShape, 220);
    resumed.Add(options, Slice::Whole(40));
    resumed.set_groups(100);
    ByteReader in(state);
    resumed.optimizer().Load(in);
    ASSERT_TRUE(in.ok());
    EXPECT_EQ(in.remaining(), 0u);
    EXPECT_EQ(Saved(resumed.optimizer()), state);
    whole.Run(60);
    resumed.Run(60);
    EXPECT_EQ(whole.theta(), resumed.theta());
    EXPECT_EQ(Saved(whole.optimizer()), Saved(resumed.optimizer()));
    if (GetParam() != "cao") break;
  }
}

TEST_P(OptimizersTest, ATruncatedStateIsNoticed) {
  Driver driver = MakeDriver(Ramp(30));
  driver.Add(OptionsFor(GetParam()), Slice::Whole(30));
  for (int i = 0; i < 12; ++i) driver.Observe(SyntheticGroup(i));
  const std::vector<std::byte> state = Saved(driver.optimizer());
  for (std::size_t size = 0; size < state.size(); ++size) {
    ByteReader in{std::span<const std::byte>(state).first(size)};
    Driver other = MakeDriver(Ramp(30));
    other.Add(OptionsFor(GetParam()), Slice::Whole(30));
    other.optimizer().Load(in);
    EXPECT_FALSE(in.ok()) << size;
  }
}

// The trajectory of a block is a function of the losses: neither the place where its parameters
// are stored nor the other blocks' optimizers matter.
TEST_P(OptimizersTest, ABlockAloneAndPackedMovesAsItDoesAmongOthers) {
  constexpr std::uint64_t kSize = 300;
  const Slice slice = Scattered(kSize);
  Driver among = MakeDriver(Ramp(kSize));
  among.Add(OptionsFor(GetParam()), slice, 4, 2);
  among.Add(OptionsFor("openai-es"), Slice({{0, 0, 1}}), 4, 0);
  ParameterVector packed;
  for (const ndcao::Run& run : slice.runs()) {
    for (std::uint64_t i = 0; i < run.length; ++i) packed.push_back(Ramp(kSize)[run.local + i]);
  }
  CohortContext context{slice.Packed(), 4, 2, kSize, kShape};
  auto alone = MakeOptimizer(OptionsFor(GetParam()), context, packed);
  SerialExecutor executor;
  for (std::uint64_t t = 0; t < 60; ++t) {
    const DriverGroup group = SyntheticGroup(t);
    among.Observe(group);
    alone->Observe({group.trial, t, t + 1, static_cast<double>(t), 100, group.centre, group.losses},
                   packed, packed, executor);
  }
  std::size_t i = 0;
  bool moved = false;
  for (const ndcao::Run& run : slice.runs()) {
    for (std::uint64_t j = 0; j < run.length; ++j, ++i) {
      ASSERT_EQ(std::bit_cast<std::uint32_t>(packed[i]),
                std::bit_cast<std::uint32_t>(among.theta()[run.local + j]));
      moved = moved || packed[i] != Ramp(kSize)[run.local + j];
    }
  }
  EXPECT_TRUE(moved);
  EXPECT_EQ(among.theta()[8], Ramp(kSize)[8]);  // nobody's parameter stays
}

/// Runs the pieces backwards, on two threads.
class BackwardExecutor : public Executor {
 public:
  void Run(std::size_t pieces, const std::function<void(std::size_t)>& work) override {
    const auto half = [&](std::size_t parity) {
      for (std::size_t i = pieces; i-- > 0;) {
        if (i % 2 == parity) work(i);
      }
    };
    std::thread other(half, 1);
    half(0);
    other.join();
  }
};

TEST_P(OptimizersTest, TheExecutorDoesNotShow) {
  constexpr std::uint64_t kSize = 20'000;
  BackwardExecutor backward;
  Driver serial = MakeDriver(Ramp(kSize)), threaded = MakeDriver(Ramp(kSize));
  threaded.set_executor(&backward);
  for (Driver* driver : {&serial, &threaded}) {
    driver->Add(OptionsFor(GetParam()), Slice::Whole(kSize));
    for (int t = 0; t < 12; ++t) driver->Observe(SyntheticGroup(t));
  }
  EXPECT_EQ(serial.theta(), threaded.theta());
  EXPECT_EQ(Saved(serial.optimizer()), Saved(threaded.optimizer()));
}

// The third call holds a roll-back of the guard, for those that have one: the loss explodes in it.
TEST_P(OptimizersTest, GroupsObservedTogetherMoveAsOneByOne) {
  constexpr std::uint64_t kSize = 20'000, kTogether = 20;
  SerialExecutor executor;
  const CohortContext context{Slice::Whole(kSize), 4, 2, kSize, kShape};
  ParameterVector theta = Ramp(kSize), expected = theta;
  const auto together = MakeOptimizer(OptionsFor(GetParam()), context, theta);
  const auto one_by_one = MakeOptimizer(OptionsFor(GetParam()), context, theta);
  for (std::uint64_t round = 0; round < 4; ++round) {
    std::vector<DriverGroup> groups;
    for (std::uint64_t t = round * kTogether; t < (round + 1) * kTogether; ++t) {
      groups.push_back(SyntheticGroup(t));
      if (t >= 47 && t < 53) groups.back().centre *= 1000;
    }
    std::vector<GroupObservation> observations;
    for (const DriverGroup& group : groups) {
      const auto time = static_cast<double>(round * kTogether + observations.size());
      observations.push_back(
          {group.trial, round, round + 1, time, 100, group.centre, group.losses});
    }
    together->ObserveAll(observations, theta, theta, executor);
    for (const GroupObservation& group : observations) {
      one_by_one->Observe(group, expected, expected, executor);
    }
    ASSERT_EQ(theta, expected);
    ASSERT_EQ(Saved(*together), Saved(*one_by_one));
    const std::vector<std::string> decisions = together->TakeDecisions();
    ASSERT_EQ(decisions, one_by_one->TakeDecisions());
    EXPECT_EQ(decisions.size(), GetParam() == "noise-budget" && round == 2 ? 1u : 0u);
  }
}

TEST_P(OptimizersTest, AProposalStaysWhatItWas) {
  Driver driver = MakeDriver(Ramp(50));
  driver.Add(OptionsFor(GetParam()), Slice::Whole(50));
  for (int t = 0; t < 10; ++t) driver.Observe(SyntheticGroup(t));
  const auto proposal = driver.optimizer().Propose(TrialId{77}, 0);
  const ParameterVector point = driver.theta();
  ParameterVector before = point, after = point;
  proposal->Perturb(3, point, before);
  for (int t = 10; t < 20; ++t) driver.Observe(SyntheticGroup(t));
  proposal->Perturb(3, point, after);
  EXPECT_EQ(before, after);
  EXPECT_NE(before, point);
}

TEST_P(OptimizersTest, NoLossMakesParametersThatAreNotFinite) {
  constexpr float kGreatest = std::numeric_limits<float>::max();
  const float odd[] = {0,      -0.0f, 1,    -1,    1e30f, -1e30f, kGreatest, -kGreatest,
                       1e-40f, kNan,  kInf, -kInf, 2,     2,      2,         3};
  Driver driver = MakeDriver(Ramp(20), 400);
  driver.Add(OptionsFor(GetParam()), Slice::Whole(20));
  RandomSequence random(5, Purpose::kTest, 0);
  for (std::uint64_t t = 0; t < 400; ++t) {
    DriverGroup group = SyntheticGroup(t);
    // Stretches of sound groups between absurd ones, then nothing but absurd ones.
    if (t % 20 > 15 || t > 300) {
      group.centre = odd[random.Below(16)];
      for (float& loss : group.losses) loss = odd[random.Below(16)];
    }
    driver.Observe(group);
    ASSERT_TRUE(driver.finite()) << "group " << t;
  }
}

TEST_P(OptimizersTest, ConstantLossesAndNoLossesTeachNothingMuch) {
  for (const float value : {0.0f, 1.0f, -3.0f, 1e30f, kNan, kInf, -kInf}) {
    Driver driver = MakeDriver(Ramp(20));
    driver.Add(OptionsFor(GetParam()), Slice::Whole(20));
    for (std::uint64_t t = 0; t < 50; ++t) {
      DriverGroup group{TrialId::Sync(t, 0), value, {}};
      group.losses.assign(kShape.evaluations, value);
      driver.Observe(group);
    }
    EXPECT_EQ(driver.theta(), Ramp(20)) << value;  // no difference, no move
  }
}

TEST_P(OptimizersTest, OneParameterDescends) {
  Driver driver([](TrialId, std::span<const float> x) { return 0.5 * x[0] * x[0]; }, {1.0f}, kShape,
                300);
  BlockOptions options = OptionsFor(GetParam());
  if (options.peer.rate > 0) options.peer.rate = 0.05;
  driver.Add(options, Slice::Whole(1));
  driver.Run(300);
  EXPECT_LT(std::abs(driver.theta()[0]), 0.5);
}

TEST_P(OptimizersTest, AFrozenBlockStays) {
  Driver driver = MakeDriver(Ramp(20));
  BlockOptions options = OptionsFor(GetParam());
  options.frozen = true;
  driver.Add(options, Slice::Whole(20));
  const auto proposal = driver.optimizer().Propose(TrialId{1}, 0);
  ParameterVector out(20, 7.0f);
  proposal->Perturb(0, driver.theta(), out);
  EXPECT_FALSE(proposal->places());
  EXPECT_EQ(out, Ramp(20));
  for (int t = 0; t < 20; ++t) driver.Observe(SyntheticGroup(t));
  EXPECT_EQ(driver.theta(), Ramp(20));
}

INSTANTIATE_TEST_SUITE_P(All, OptimizersTest, testing::ValuesIn(OptimizerNames()),
                         [](const auto& info) {
                           std::string name = info.param;
                           for (char& c : name) c = c == '-' ? '_' : c;
                           return name;
                         });

}  // namespace
}  // namespace ndcao
