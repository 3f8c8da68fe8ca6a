// The arithmetic of activation probing, on problems whose answer is known.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "ndcao/activation/activation_replica.h"
#include "ndcao/random/sequence.h"

namespace ndcao {
namespace {

using testing::Each;
using testing::FloatNear;
using testing::Pointwise;

TEST(OutputMomentTest, WhitenerIsTheInverseOfTheMoment) {
  OutputMoment moment(2);
  EXPECT_TRUE(moment.Whitener().empty());
  // Σ e eᵀ over 4 examples: the mean is [[2, 1], [1, 2]], whatever the memory.
  const std::vector<float> sum = {8, 4, 4, 8};
  for (int i = 0; i < 3; ++i) moment.Add(sum, 4);
  // With the ridge 0.02 · 4 / 2 = 0.04: the inverse of [[2.04, 1], [1, 2.04]].
  const double determinant = 2.04 * 2.04 - 1;
  const std::vector<float> expected = {
      static_cast<float>(2.04 / determinant), static_cast<float>(-1 / determinant),
      static_cast<float>(-1 / determinant), static_cast<float>(2.04 / determinant)};
  EXPECT_THAT(moment.Whitener(), Pointwise(FloatNear(1e-5f), expected));
  const std::vector<float> bad = {NAN, 0, 0, 1};
  moment.Add(bad, 4);
  EXPECT_THAT(moment.Whitener(), Pointwise(FloatNear(1e-5f), expected));
}

TEST(LocalAdamTest, FirstStepsFollowTheAlgorithm) {
  LocalAdam adam(3);
  ParameterVector theta = {1, 1, 1};
  std::vector<float> gradient = {2, -0.5, 0};
  float* const part = gradient.data();
  adam.Update(0, 3, {&part, 1}, 1, 0.1, 1, theta);
  EXPECT_THAT(gradient, Each(0));  // used up
  // m̂ = g and √v̂ = |g|: every coordinate moves by the rate.
  EXPECT_NEAR(theta[0], 0.9, 1e-6);
  EXPECT_NEAR(theta[1], 1.1, 1e-6);
  EXPECT_EQ(theta[2], 1);
  gradient = {-2, INFINITY, 0};
  adam.Update(0, 3, {&part, 1}, 1, 0.1, 2, theta);
  // m̂ = (0.9 · 0.1 · 2 − 0.1 · 2) / (1 − 0.81), v̂ = 4.
  EXPECT_NEAR(theta[0], 0.9 - 0.1 * (-0.02 / 0.19) / 2, 1e-6);
  EXPECT_TRUE(std::isfinite(theta[1]));
}

TEST(LocalAdamTest, AddsThePartsOfAGradientInOrder) {
  for (const std::size_t parts : {2, 3, 4}) {
    LocalAdam whole(1);
    LocalAdam split(1);
    ParameterVector theta = {1};
    ParameterVector of_split = {1};
    std::vector<float> values = {1e8f, 1, -1e8f, 3};
    float sum = 0;
    std::vector<float*> pointers;
    for (std::size_t p = 0; p < parts; ++p) {
      sum += values[p];
      pointers.push_back(&values[p]);
    }
    float* const one = &sum;
    whole.Update(0, 1, {&one, 1}, 0.5, 0.1, 1, theta);
    split.Update(0, 1, pointers, 0.5, 0.1, 1, of_split);
    EXPECT_EQ(theta, of_split) << parts;
    for (std::size_t p = 0; p < parts; ++p) EXPECT_EQ(values[p], 0);
  }
}

// A network that is linear: activations reach the loss through g = e G, equal for the `size` units
// of a cell, which a probe moves alike. Probes on 12 cells must teach the estimator G.
void ExpectToLearn(float size, int batches) {
  constexpr std::size_t kFeatures = 3;
  constexpr std::size_t kUnits = 12;
  constexpr std::size_t kExamples = 64;
  RandomSequence random(1, Purpose::kTest, 0);
  std::vector<float> truth(kFeatures * kUnits);
  for (float& x : truth) x = static_cast<float>(random.Normal());
  SiteEstimator estimator({kUnits, true, false, size > 1}, kFeatures);
  OutputMoment moment(kFeatures);
  for (int batch = 0; batch < batches; ++batch) {
    SiteSums sums;
    sums.correction.assign(kFeatures * kUnits, 0);
    std::vector<float> second(kFeatures * kFeatures, 0);
    const std::vector<float> whitener = moment.Whitener();
    for (std::size_t example = 0; example < kExamples; ++example) {
      double e[kFeatures];
      for (double& x : e) x = 0.3 * random.Normal();
      for (std::size_t i = 0; i < 9; ++i) {
        second[i] += static_cast<float>(e[i / kFeatures] * e[i % kFeatures]);
      }
      double response = 0;
      double foreseen = 0;
      float z[kUnits];
      for (std::size_t u = 0; u < kUnits; ++u) {
        z[u] = random.Below(2) == 0 ? -size : size;
        for (std::size_t j = 0; j < kFeatures; ++j) {
          response += z[u] * e[j] * truth[j * kUnits + u];
          foreseen += z[u] * e[j] * estimator.values()[j * kUnits + u];
        }
      }
      sums.observed += response * response;
      sums.unforeseen += (response - foreseen) * (response - foreseen);
      sums.change += kUnits * size * size;
      if (whitener.empty()) continue;
      double white[kFeatures];
      double reach = 0;
      for (std::size_t j = 0; j < kFeatures; ++j) {
        white[j] = 0;
        for (std::size_t i = 0; i < kFeatures; ++i) white[j] += e[i] * whitener[i * kFeatures + j];
        reach += white[j] * e[j] / kFeatures;
      }
      for (std::size_t j = 0; j < kFeatures; ++j) {
        for (std::size_t u = 0; u < kUnits; ++u) {
          sums.correction[j * kUnits + u] +=
              static_cast<float>(white[j] * 1.5 / (1 + reach) * (response - foreseen) * z[u]);
        }
      }
    }
    moment.Add(second, kExamples);
    const SiteSums* slots[] = {&sums};
    estimator.Learn(slots, kExamples, 1, moment.values());
  }
  EXPECT_GT(estimator.foreseen(), 0.99);
  EXPECT_THAT(estimator.values(), Pointwise(FloatNear(0.05f), truth));
}

TEST(SiteEstimatorTest, ProbesTeachItTheTrueMap) { ExpectToLearn(1, 800); }

TEST(SiteEstimatorTest, UnitsOfACellLearnTogether) { ExpectToLearn(49, 800); }

// What the slots said so far is part of the state: without it, the next step has another length.
TEST(SiteEstimatorTest, ALoadedEstimatorOfCellsGoesOnAsTheSavedOne) {
  const SiteShape cell{1, true, false, true};
  SiteEstimator saved(cell, 1);
  SiteSums first;
  first.correction = {1};
  first.change = 32;
  SiteSums second = first;
  second.correction = {-0.5f};
  const SiteSums* slots[] = {&first, &second};
  const double moment[] = {1};
  for (int batch = 0; batch < 3; ++batch) saved.Learn(slots, 64, 1, moment);
  ByteWriter out;
  saved.Save(out);
  const std::vector<std::byte> bytes(out.bytes().begin(), out.bytes().end());
  ByteReader in(bytes);
  SiteEstimator loaded(cell, 1);
  loaded.Load(in);
  EXPECT_EQ(loaded.values(), saved.values());
  second.correction = {1};  // the slots agree, which one batch alone would believe
  saved.Learn(slots, 64, 1, moment);
  loaded.Learn(slots, 64, 1, moment);
  EXPECT_EQ(loaded.values(), saved.values());
}

// What slots contradict each other about is noise, and cells take short steps along it.
TEST(SiteEstimatorTest, CellsTakeShorterStepsAlongWhatSlotsDoNotAgreeUpon) {
  const auto moved = [](bool shared, float other) {
    SiteEstimator estimator({1, true, false, shared}, 1);
    SiteSums first;
    first.correction = {1};
    first.change = 32;
    SiteSums second = first;
    second.correction = {other};
    const SiteSums* slots[] = {&first, &second};
    const double moment[] = {1};
    estimator.Learn(slots, 64, 1, moment);
    return estimator.values()[0];
  };
  // The sums are 1.5 and 0.5. Of products 1 · 0.5 and 1 · −0.5, twice each: agreed is 2 and −2
  // of 2.25 and 0.25, so the noise is 0.25 and 2.25.
  EXPECT_FLOAT_EQ(moved(true, 0.5f), moved(false, 0.5f));
  EXPECT_FLOAT_EQ(moved(true, -0.5f), 0.1f * moved(false, -0.5f));
}

/// θ of 6, the first tensor with a site, the second without.
struct Fixture {
  Layout layout;
  SiteTable sites;
  RunSpec spec;
  ParameterVector initial = {1, 2, 3, 4, 5, 6};

  Fixture() {
    layout.Add("a.weight", {2, 2});
    layout.Add("b.weight", {2});
    sites.sites = {{2, true, false, false}, {2, false, false, false}};
    sites.sites[0].inputs = {2};
    sites.features = 2;
    sites.probed = {0, 1};
    spec.model = "made-up";
    spec.blocks = "tensor";
    spec.probe = ProbeTarget::kActivations;
    spec.activation.rate = 0.1;
    spec.activation.probes = 1;
    spec.batch = 4;
    spec.shape.slots = 2;
    spec.budget = 800;  // a clean pass and a probe of 4 examples: 100 steps
    spec.options.sigma = 0.01;
  }
  ActivationReplica Create() const {
    return ActivationReplica::Create(spec, layout, initial, sites).value();
  }
  static std::vector<ProbeSums> Sums(std::uint64_t step) {
    RandomSequence random(7, Purpose::kTest, step);
    std::vector<ProbeSums> slots(2);
    for (ProbeSums& slot : slots) {
      for (int i = 0; i < 6; ++i) slot.gradient.push_back(static_cast<float>(random.Normal()));
      slot.sites.resize(2);
      for (int i = 0; i < 4; ++i) {
        slot.sites[0].correction.push_back(static_cast<float>(random.Normal()));
        slot.moment.push_back(i % 3 == 0 ? 1 : 0);
      }
      slot.sites[0].inputs = {{{2, 1, 1, 3 + static_cast<float>(step)}, 4}};
      slot.sites[0].observed = 2;
      slot.sites[0].unforeseen = 1;
      slot.finite = 2;
      slot.loss = 3;
      slot.forwards = 4;
    }
    return slots;
  }
};

void ObserveStep(ActivationReplica& replica, std::uint64_t step, Executor& executor) {
  std::vector<ProbeSums> sums = Fixture::Sums(step);
  replica.Observe(sums, executor);
}

TEST(ActivationReplicaTest, GoesOnFromASnapshotBitForBit) {
  for (const bool async : {false, true}) {
    Fixture f;
    SerialExecutor executor;
    f.sites.probed = {0};  // the other tensor is probed by weights
    if (async) {
      f.spec.mode = RunMode::kAsync;
      f.spec.clock = {ClockKind::kFixed, 1, 10};
    }
    f.spec.batch =
        512;  // a group of the fallback every fourth step, more than its 30 of warming up
    f.spec.budget = 10'000'000;
    const auto advance = [&](ActivationReplica& replica, int steps) {
      for (int i = 0; i < steps; ++i) {
        if (const auto group = replica.NextGroup()) {
          std::vector<float> losses(FallbackGroup::kEvaluations);
          for (std::size_t k = 0; k < losses.size(); ++k) {
            losses[k] = 1 + 0.01f * static_cast<float>(k % 7);
          }
          replica.ObserveGroup(*group, 1, losses, executor);
        }
        ObserveStep(replica, replica.counters().steps, executor);
      }
    };
    ActivationReplica whole = f.Create();
    advance(whole, 1200);
    ActivationReplica first = f.Create();
    advance(first, 700);
    ActivationReplica second =
        ActivationReplica::Restore(f.spec, f.layout, f.sites, first.Snapshot()).value();
    EXPECT_EQ(second.digest(), first.digest());
    advance(second, 500);
    EXPECT_EQ(second.digest(), whole.digest());
    EXPECT_EQ(second.Snapshot(), whole.Snapshot());
    const auto inverse = [](const ActivationReplica& replica) {
      const std::span<const float> values = replica.input_inverses()[0][0];
      return std::vector<float>(values.begin(), values.end());
    };
    EXPECT_EQ(inverse(second), inverse(whole));
    EXPECT_EQ(inverse(whole).size(), 4u);
    EXPECT_NE(whole.parameters()[4], f.initial[4]) << "the fallback did not move its tensor";
    EXPECT_GT(whole.counters().groups, 1u);
    std::vector<std::byte> torn = first.Snapshot();
    torn.pop_back();
    EXPECT_FALSE(ActivationReplica::Restore(f.spec, f.layout, f.sites, torn).ok());
  }
}

// Two stages of the network, each fed its own part of the sums, hold what one process does.
TEST(ActivationReplicaTest, PartsTogetherAreTheWhole) {
  for (const bool async : {false, true}) {
    Fixture f;
    f.spec.blocks = "random:3";  // across the parts' border
    if (async) {
      f.spec.mode = RunMode::kAsync;
      f.spec.clock = {ClockKind::kHeavy, 1, 10};
    }
    SerialExecutor executor;
    ActivationReplica whole = f.Create();
    const auto part = [&](std::uint64_t first, std::uint64_t size, std::size_t site) {
      SiteTable sites = f.sites;
      sites.sites = {f.sites.sites[site]};
      sites.probed = {site};
      sites.elsewhere = site == 0 ? 0 : 1;
      const auto begin = f.initial.begin() + static_cast<std::ptrdiff_t>(first);
      return ActivationReplica::Create(
                 f.spec, f.layout,
                 ParameterVector(begin, begin + static_cast<std::ptrdiff_t>(size)), sites,
                 Slice({{first, 0, size}}))
          .value();
    };
    ActivationReplica front = part(0, 4, 0);
    ActivationReplica back = part(4, 2, 1);
    EXPECT_EQ(back.horizon(), whole.horizon());
    while (!whole.done()) {
      std::vector<ProbeSums> sums = Fixture::Sums(whole.counters().steps);
      std::vector<ProbeSums> of_front = sums;
      std::vector<ProbeSums> of_back = sums;
      for (std::size_t i = 0; i < sums.size(); ++i) {
        of_front[i].gradient.resize(4);
        of_front[i].sites.resize(1);
        of_back[i].gradient.erase(of_back[i].gradient.begin(), of_back[i].gradient.begin() + 4);
        of_back[i].sites.erase(of_back[i].sites.begin());
      }
      whole.Observe(sums, executor);
      front.Observe(of_front, executor);
      back.Observe(of_back, executor);
    }
    ParameterVector joined = front.parameters();
    joined.insert(joined.end(), back.parameters().begin(), back.parameters().end());
    EXPECT_EQ(joined, whole.parameters());
    EXPECT_EQ(front.estimators()[0].values(), whole.estimators()[0].values());
  }
}

TEST(ActivationReplicaTest, AheadGoesOnInTheDirectionOfTheLastMove) {
  Fixture f;
  SerialExecutor executor;
  ActivationReplica replica = f.Create();
  EXPECT_EQ(replica.Ahead(3), f.initial) << "nothing has moved yet";
  ParameterVector before = replica.parameters();
  for (int i = 0; i < 20; ++i) {
    before = replica.parameters();
    ObserveStep(replica, 0, executor);
  }
  EXPECT_EQ(replica.Ahead(0), replica.parameters());
  for (std::size_t i = 0; i < before.size(); ++i) {
    const float move = replica.parameters()[i] - before[i];
    EXPECT_NEAR(replica.Ahead(1)[i] - replica.parameters()[i], 2 * move, 0.02 * std::fabs(move));
    EXPECT_NEAR(replica.Ahead(2)[i] - replica.parameters()[i], 4 * move, 0.04 * std::fabs(move));
  }
}

// Batches that are all alike: every step of Adam is ± the rate, and a move for n of them √n times.
TEST(ActivationReplicaTest, ADelayedBlockMovesByTheMeanOfItsBatches) {
  Fixture f;
  SerialExecutor executor;
  ActivationReplica prompt = f.Create();
  f.spec.mode = RunMode::kAsync;
  f.spec.clock = {ClockKind::kFixed, 4, 4};
  ActivationReplica delayed = f.Create();
  std::vector<int> moves(f.initial.size());
  for (int step = 0; step < 40; ++step) {
    const ParameterVector before = delayed.parameters();
    const ParameterVector prompt_before = prompt.parameters();
    ObserveStep(prompt, 0, executor);
    ObserveStep(delayed, 0, executor);
    for (std::size_t i = 0; i < before.size(); ++i) {
      const float move = delayed.parameters()[i] - before[i];
      if (move == 0 || ++moves[i] == 1) continue;  // the first may be of fewer batches
      EXPECT_NEAR(move / (prompt.parameters()[i] - prompt_before[i]), 2, 1e-3) << i;
    }
  }
  EXPECT_THAT(moves, Each(10));
}

TEST(ActivationReplicaTest, BlocksDoNotChangeASynchronousRun) {
  Fixture f;
  SerialExecutor executor;
  ActivationReplica by_tensor = f.Create();
  f.spec.blocks = "random:3";
  ActivationReplica random = f.Create();
  while (!by_tensor.done()) {
    ObserveStep(by_tensor, by_tensor.counters().steps, executor);
    ObserveStep(random, random.counters().steps, executor);
  }
  EXPECT_EQ(by_tensor.counters().steps, 100u);
  EXPECT_EQ(by_tensor.digest(), random.digest());
}

TEST(ActivationReplicaTest, ATensorOfTwiceThePaceMovesTwiceAsFar) {
  Fixture f;
  f.sites.paces = {1, 2};
  SerialExecutor executor;
  f.spec.blocks = "single";  // so that both tensors move at the same time
  f.spec.clock = {ClockKind::kFixed, 2, 2};
  for (const RunMode mode : {RunMode::kSync, RunMode::kAsync}) {
    f.spec.mode = mode;
    ActivationReplica replica = f.Create();
    ObserveStep(replica, 0, executor);
    ObserveStep(replica, 0, executor);  // the same again, so every step of Adam is ± the rate
    const double ratio = std::fabs((replica.parameters()[4] - f.initial[4]) /
                                   (replica.parameters()[0] - f.initial[0]));
    EXPECT_NEAR(ratio, 2, 1e-4);
  }
  f.spec.activation.estimator = ActivationEstimator::kStrict;
  f.spec.mode = RunMode::kSync;
  ActivationReplica strict = f.Create();
  ObserveStep(strict, 0, executor);
  EXPECT_NEAR(std::fabs((strict.parameters()[4] - 5) / (strict.parameters()[0] - 1)), 1, 1e-4);
}

TEST(ActivationReplicaTest, TheRateFallsAlongAQuarterOfACosine) {
  Fixture f;
  SerialExecutor executor;
  ActivationReplica replica = f.Create();
  for (std::uint64_t step = 0; step < 100; ++step) {
    EXPECT_NEAR(replica.rate(), 0.1 * std::sin(std::acos(-1.0) / 2 * (1 - step / 100.0)), 1e-12);
    ObserveStep(replica, step, executor);
  }
  EXPECT_NEAR(replica.rate(), 0, 1e-12);
}

TEST(ActivationReplicaTest, FrozenBlocksStay) {
  Fixture f;
  BlockOverride frozen{"a.weight", f.spec.options};
  frozen.options.frozen = true;
  f.spec.overrides = {frozen};
  SerialExecutor executor;
  ActivationReplica replica = f.Create();
  ObserveStep(replica, 0, executor);
  EXPECT_EQ(replica.parameters()[0], 1);
  EXPECT_NE(replica.parameters()[4], 5);
}

TEST(ActivationReplicaTest, ALossThatIsNotFiniteTeachesNothing) {
  Fixture f;
  SerialExecutor executor;
  ActivationReplica replica = f.Create();
  std::vector<ProbeSums> sums = Fixture::Sums(0);
  for (ProbeSums& slot : sums) slot.finite = 0, slot.loss = 0;
  replica.Observe(sums, executor);
  EXPECT_EQ(replica.parameters(), f.initial);
  EXPECT_EQ(replica.counters().barren, 1u);
}

}  // namespace
}  // namespace ndcao
