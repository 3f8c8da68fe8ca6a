#include "ndcao/replica/replica.h"

#include <gtest/gtest.h>
// rapidcheck's adapter needs gtest first.
#include <rapidcheck/gtest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "replica/fold_driver.h"

namespace ndcao {
namespace {

TEST(ReplicaTest, ARunDescendsAndEndsWithItsBudget) {
  Replica replica = NewReplica(QuadraticSpec(200), QuadraticLayout());
  const double before = Quadratic(*replica.parameters());
  RunAll(replica);
  EXPECT_LT(Quadratic(*replica.parameters()), 0.2 * before);
  EXPECT_EQ(replica.counters().groups, 200u);
  EXPECT_EQ(replica.counters().image_forwards, replica.spec().budget);
}

TEST(ReplicaTest, TheOrderOfSlotsInARoundDoesNotMatter) {
  const RunSpec spec = QuadraticSpec(80);
  Replica forward = NewReplica(spec, QuadraticLayout());
  Replica backward = NewReplica(spec, QuadraticLayout());
  RunAll(forward);
  while (!backward.done()) {
    const RoundView view = backward.round();
    const TrialId last = TrialId::Sync(view.round, view.open_slots.back());
    Fold(backward, Measure(backward, backward.NewTrial(last)));
  }
  EXPECT_EQ(forward.digest(), backward.digest());
}

TEST(ReplicaTest, DuplicatesAndLateSlotsTeachNothingAndAreCounted) {
  const RunSpec spec = QuadraticSpec(40);
  Replica plain = NewReplica(spec, QuadraticLayout());
  Replica noisy = NewReplica(spec, QuadraticLayout());
  RunAll(plain);
  GroupRecord previous;
  while (!noisy.done()) {
    const RoundView view = noisy.round();
    const Trial trial = noisy.NewTrial(TrialId::Sync(view.round, view.open_slots.front()));
    const GroupRecord record = Measure(noisy, trial);
    if (!previous.losses.empty()) EXPECT_EQ(Fold(noisy, previous), Outcome::kDuplicate);
    EXPECT_EQ(Fold(noisy, record), Outcome::kFolded);
    previous = record;
  }
  EXPECT_EQ(plain.digest(), noisy.digest());
  EXPECT_EQ(noisy.counters().duplicates, 39u);
  EXPECT_EQ(noisy.counters().image_forwards_wasted, 39u * spec.group_cost());
}

TEST(ReplicaTest, AGroupFromAnotherHistoryIsForeign) {
  Replica replica = NewReplica(QuadraticSpec(40), QuadraticLayout());
  GroupRecord record = Measure(replica, replica.NewTrial(TrialId::Sync(0, 0)));
  record.base_chain ^= 1;
  EXPECT_EQ(Fold(replica, record), Outcome::kForeign);
  record.base_chain ^= 1;
  record.losses.pop_back();
  EXPECT_EQ(Fold(replica, record), Outcome::kForeign);
  EXPECT_EQ(replica.counters().foreign, 2u);
}

TEST(ReplicaTest, ADisagreeingDigestStopsTheReplica) {
  Replica replica = NewReplica(QuadraticSpec(300), QuadraticLayout());
  while (!replica.newest_digest()) {
    const RoundView view = replica.round();
    Fold(replica,
         Measure(replica, replica.NewTrial(TrialId::Sync(view.round, view.open_slots.front()))));
  }
  DigestRecord digest = *replica.newest_digest();
  Fold(replica, digest);
  digest.digest[0] = digest.digest[0] == '0' ? '1' : '0';
  SerialExecutor executor;
  const auto outcome = replica.Apply(MakeEntry(replica.next_offset(), digest), executor);
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().code(), ErrorCode::kCorrupt);
  EXPECT_NE(outcome.error().message().find("do not agree"), std::string::npos);
}

RunSpec AsyncSpec(std::uint64_t groups, ClockKind kind) {
  RunSpec spec = QuadraticSpec(groups);
  spec.mode = RunMode::kAsync;
  spec.clock = {kind, 1, 10};
  return spec;
}

TEST(ReplicaTest, AsynchronousBlocksWithClocksDescend) {
  for (const ClockKind kind : {ClockKind::kFixed, ClockKind::kPoisson, ClockKind::kHeavy}) {
    Replica replica = NewReplica(AsyncSpec(300, kind), QuadraticLayout());
    const double before = Quadratic(*replica.parameters());
    RunAll(replica);
    EXPECT_LT(Quadratic(*replica.parameters()), 0.3 * before);
  }
}

double StatisticOf(const Replica& replica, const std::string& name) {
  for (const Statistic& statistic : replica.cohorts().front().statistics) {
    if (statistic.name == name) return statistic.value;
  }
  return NAN;
}

RunSpec PeriodSpec(std::uint64_t groups, std::uint32_t period) {
  RunSpec spec = AsyncSpec(groups, ClockKind::kFixed);
  spec.clock.least = spec.clock.greatest = period;
  return spec;
}

TEST(ReplicaTest, TheFirstStepOfBlocksWithClocksKnowsTheirPeriod) {
  const auto first_step = [](std::uint32_t period) {
    Replica replica = NewReplica(PeriodSpec(100, period), QuadraticLayout());
    for (std::uint64_t i = 0; StatisticOf(replica, "eta") == 0; ++i) {
      Fold(replica, Measure(replica, replica.NewTrial(TrialId::Async(0, i))));
    }
    return StatisticOf(replica, "eta");
  };
  // 64 evaluations in each of the ten groups that a block gathers, for four.
  EXPECT_NEAR(first_step(1) / first_step(10), (1 + 639 * 0.15) / (1 + 255 * 0.15), 1e-6);
  EXPECT_EQ(first_step(4), first_step(1));
}

// Losses that fall for 60 groups and are a thousand from then on, up to nine groups after the guard
// has taken moves back.
TEST(ReplicaTest, TheGuardKnowsHowLongBlocksWithClocksWait) {
  struct Explosion {
    std::string decision;
    double step_factor = 0;
  };
  const auto explode = [](std::uint32_t period, std::uint32_t guard) {
    Explosion explosion;
    RunSpec spec = PeriodSpec(300, period);
    spec.options.noise_budget.guard = guard;
    Replica replica = NewReplica(spec, QuadraticLayout());
    for (std::uint64_t i = 0, left = 9; left > 0 && !replica.done(); ++i) {
      GroupRecord group = Measure(replica, replica.NewTrial(TrialId::Async(0, i)));
      group.centre = i < 60 ? 2 - 0.01f * static_cast<float>(i) : 1000;
      for (std::size_t k = 0; k < group.losses.size(); ++k) {
        group.losses[k] = group.centre + (k % 2 == 0 ? 2e-3f : -1e-3f);
      }
      if (!explosion.decision.empty()) --left;
      Fold(replica, group);
      const std::vector<std::string> decisions = replica.TakeDecisions();
      if (explosion.decision.empty() && !decisions.empty()) explosion.decision = decisions.front();
    }
    explosion.step_factor = StatisticOf(replica, "step_factor");
    return explosion;
  };
  for (const std::uint32_t guard : {1u, 2u}) {
    const Explosion at_once = explode(1, guard);
    EXPECT_NE(at_once.decision.find("took back 2 moves"), std::string::npos) << at_once.decision;
    // The same losses again: under the second rules no explosion of the block's own making.
    EXPECT_EQ(at_once.step_factor < 0.5, guard == 1);
    const Explosion with_clocks = explode(10, guard);  // nine moves that the least had not seen
    EXPECT_NE(with_clocks.decision.find("took back 11 moves"), std::string::npos)
        << with_clocks.decision;
    EXPECT_EQ(with_clocks.step_factor, 0.5);
  }
}

TEST(ReplicaTest, ALateGroupCanBeProposedAgainAsItWas) {
  Replica replica = NewReplica(AsyncSpec(100, ClockKind::kFixed), QuadraticLayout());
  const Trial first = replica.NewTrial(TrialId::Async(0, 1000));
  for (std::uint64_t i = 0; i < 50; ++i) {
    Fold(replica, Measure(replica, replica.NewTrial(TrialId::Async(0, i))));
  }
  const Trial late = replica.NewTrial(first.id);
  EXPECT_LT(*late.step(), 0.6f * *first.step());
  Fold(replica, BudgetRecord{4 * replica.spec().budget});
  EXPECT_GT(*replica.NewTrial(first.id).step(), 0.8f * *first.step());
  EXPECT_EQ(replica.NewTrial(first.id, late.base).step(), late.step());
  EXPECT_EQ(replica.NewTrial(first.id, first.base).step(), first.step());
  const auto restored = Replica::Restore(replica.spec(), QuadraticLayout(), replica.Snapshot());
  ASSERT_TRUE(restored.ok());
  EXPECT_EQ(restored.value().NewTrial(first.id, first.base).step(), first.step());
}

TEST(ReplicaTest, StaleGroupsAreDroppedByCountOfGroups) {
  RunSpec spec = AsyncSpec(100, ClockKind::kFixed);
  spec.staleness_limit = 5;
  Replica replica = NewReplica(spec, QuadraticLayout());
  const GroupRecord old = Measure(replica, replica.NewTrial(TrialId::Async(0, 1000)));
  const GroupRecord older = Measure(replica, replica.NewTrial(TrialId::Async(0, 1001)));
  for (std::uint64_t i = 0; i < 5; ++i) {
    Fold(replica, Measure(replica, replica.NewTrial(TrialId::Async(0, i))));
  }
  EXPECT_EQ(Fold(replica, old), Outcome::kFolded);
  EXPECT_EQ(replica.last_staleness(), 5u);
  EXPECT_EQ(Fold(replica, older), Outcome::kStale);
  EXPECT_EQ(Fold(replica, old), Outcome::kDuplicate);
}

// The contract, point 2: a block's trajectory, given the losses, does not depend on the other
// blocks at all: their number, their options, their optimizers. And a lone block holds its own
// slice and nothing else.
RC_GTEST_PROP(ReplicaTest, ABlockAloneFoldsToTheSameBits, (bool async)) {
  RunSpec spec = async ? AsyncSpec(60, ClockKind::kPoisson) : QuadraticSpec(60);
  spec.blocks = *rc::gen::element<std::string>("single", "tensor", "size:3", "random:5", "unit");
  spec.seed = *rc::gen::inRange<std::uint64_t>(0, 1000);
  const Layout layout = QuadraticLayout(23);
  if (*rc::gen::arbitrary<bool>()) {
    BlockOverride other{*rc::gen::element<std::string>("[02468]", "b.*", "1"), spec.options};
    other.options.sigma *= 4;
    other.options.frozen = *rc::gen::arbitrary<bool>();
    if (*rc::gen::arbitrary<bool>()) other.options = DefaultsFor("spsa").value().options;
    spec.overrides.push_back(other);
  }
  const auto created = Replica::Create(spec, layout, ParameterVector(23, 0.5f));
  if (!created.ok()) RC_DISCARD("all blocks are frozen");
  Replica full = Replica::Create(spec, layout, ParameterVector(23, 0.5f)).value();
  Fold(full, JoinRecord{"test"});
  const std::vector<Record> records = RunAll(full);

  const auto block =
      *rc::gen::inRange<BlockId>(0, static_cast<BlockId>(full.partition().blocks().size()));
  const Slice& slice = full.partition().blocks()[block].slice;
  Replica alone = Replica::Create(spec, layout, ParameterVector(slice.size(), 0.5f), slice).value();
  RC_ASSERT(alone.parameters()->size() == slice.size());
  Fold(alone, JoinRecord{"test"});
  for (const Record& record : records) Fold(alone, record);
  const Slice packed = slice.Packed();
  for (const Run& run : packed.runs()) {
    for (std::uint64_t i = 0; i < run.length; ++i) {
      RC_ASSERT((*alone.parameters())[run.local + i] == (*full.parameters())[run.global + i]);
    }
  }

  // The same losses, the block in another company: everybody else in one block each, frozen.
  if (spec.overrides.empty() && !async) {
    std::string text = "mine:";
    std::string rest;
    for (const Run& run : slice.runs()) {
      text += " " + std::to_string(run.global) + "-" + std::to_string(run.global + run.length);
    }
    std::vector<bool> taken(23, false);
    for (const Run& run : slice.runs()) {
      for (std::uint64_t i = 0; i < run.length; ++i) taken[run.global + i] = true;
    }
    for (int i = 0; i < 23; ++i) {
      if (taken[static_cast<std::size_t>(i)]) continue;
      rest +=
          "\nother" + std::to_string(i) + ": " + std::to_string(i) + "-" + std::to_string(i + 1);
    }
    RunSpec elsewhere = spec;
    elsewhere.blocks = "file";
    elsewhere.blocks_text = text + rest;
    BlockOverride frozen{"other.*", spec.options};
    frozen.options.frozen = true;
    elsewhere.overrides.push_back(frozen);
    Replica moved = Replica::Create(elsewhere, layout, ParameterVector(23, 0.5f)).value();
    Fold(moved, JoinRecord{"test"});
    for (Record record : records) {
      auto& group = std::get<GroupRecord>(record);
      const Trial trial = moved.NewTrial(group.trial);
      group.base = trial.base;
      group.base_chain = trial.base_chain;
      Fold(moved, record);
    }
    for (const Run& run : slice.runs()) {
      for (std::uint64_t i = run.global; i < run.global + run.length; ++i) {
        RC_ASSERT((*moved.parameters())[i] == (*full.parameters())[i]);
      }
    }
  }
}

RC_GTEST_PROP(ReplicaTest, ASnapshotGoesOnBitForBit, (bool async)) {
  RunSpec spec = async ? AsyncSpec(60, ClockKind::kHeavy) : QuadraticSpec(60);
  if (*rc::gen::arbitrary<bool>()) {
    BlockOverride other{"[13]", DefaultsFor("openai-es").value().options};
    spec.overrides.push_back(other);
  }
  Replica replica = NewReplica(spec, QuadraticLayout());
  Replica twin = NewReplica(spec, QuadraticLayout());
  const std::vector<Record> records = RunAll(replica);
  const auto cut = *rc::gen::inRange<std::size_t>(0, records.size());
  for (std::size_t i = 0; i < cut; ++i) Fold(twin, records[i]);
  const auto bytes = twin.Snapshot();
  Result<Replica> restored = Replica::Restore(spec, QuadraticLayout(), bytes);
  RC_ASSERT(restored.ok());
  RC_ASSERT(restored.value().Snapshot() == bytes);
  for (std::size_t i = cut; i < records.size(); ++i) Fold(restored.value(), records[i]);
  RC_ASSERT(restored.value().digest() == replica.digest());
  RC_ASSERT(restored.value().chain() == replica.chain());

  auto damaged = bytes;
  damaged.resize(*rc::gen::inRange<std::size_t>(0, bytes.size()));
  RC_ASSERT(!Replica::Restore(spec, QuadraticLayout(), damaged).ok());
}

// Right behind the parameters; what is remembered of past positions ends there.
TEST(ReplicaTest, ASnapshotOfAnotherOffsetIsRefused) {
  const RunSpec spec = QuadraticSpec(60);
  Replica replica = NewReplica(spec, QuadraticLayout());
  RunAll(replica);
  auto bytes = replica.Snapshot();
  const std::size_t at = 2 * sizeof(std::uint64_t) + QuadraticLayout().size() * sizeof(float);
  Offset offset = 0;
  std::memcpy(&offset, bytes.data() + at, sizeof(offset));
  ASSERT_EQ(offset, replica.next_offset());
  ++offset;
  std::memcpy(bytes.data() + at, &offset, sizeof(offset));
  EXPECT_FALSE(Replica::Restore(spec, QuadraticLayout(), bytes).ok());
}

// Whatever a snapshot holds, it is refused or goes on somehow: nothing is read or written
// elsewhere.
RC_GTEST_PROP(ReplicaTest, ADamagedSnapshotDoesNoHarm, (bool async)) {
  const RunSpec spec = async ? AsyncSpec(60, ClockKind::kHeavy) : QuadraticSpec(60);
  Replica replica = NewReplica(spec, QuadraticLayout());
  const std::vector<Record> records = RunAll(replica);
  Replica twin = NewReplica(spec, QuadraticLayout());
  const std::size_t cut = records.size() / 2;
  for (std::size_t i = 0; i < cut; ++i) Fold(twin, records[i]);
  auto bytes = twin.Snapshot();
  for (int i = 0; i < 3; ++i) {
    bytes[*rc::gen::inRange<std::size_t>(0, bytes.size())] =
        static_cast<std::byte>(*rc::gen::arbitrary<std::uint8_t>());
  }
  Result<Replica> restored = Replica::Restore(spec, QuadraticLayout(), bytes);
  if (!restored.ok()) return;
  SerialExecutor executor;
  for (std::size_t i = cut; i < records.size(); ++i) {
    const Entry entry = MakeEntry(restored.value().next_offset(), records[i]);
    if (!restored.value().Apply(entry, executor).ok()) return;
  }
}

TEST(ReplicaTest, BlocksThatDifferDoDifferAndStillTrain) {
  RunSpec spec = AsyncSpec(400, ClockKind::kFixed);
  BlockOverride wide{"1|2", spec.options};
  wide.options.sigma = 0.02;
  BlockOverride other{"3", DefaultsFor("spsa").value().options};
  other.options.peer.rate = 1e-2;
  spec.overrides = {wide, other};
  Replica replica = NewReplica(spec, QuadraticLayout());
  const double before = Quadratic(*replica.parameters());
  RunAll(replica);
  EXPECT_EQ(replica.cohorts().size(), 3u);
  EXPECT_LT(Quadratic(*replica.parameters()), 0.5 * before);
}

TEST(ReplicaTest, AllBlocksFrozenIsAnError) {
  RunSpec spec = QuadraticSpec(10);
  spec.options.frozen = true;
  const auto replica = Replica::Create(spec, QuadraticLayout(), ParameterVector(40, 0.0f));
  ASSERT_FALSE(replica.ok());
  EXPECT_NE(replica.error().message().find("frozen"), std::string::npos);
}

TEST(ReplicaTest, NoLossMakesTheParametersNaN) {
  for (const float bad : {0.0f, -5.0f, 1e30f, -1e30f, NAN, INFINITY, -INFINITY}) {
    for (const int every : {1, 3}) {
      Replica replica = NewReplica(QuadraticSpec(120), QuadraticLayout());
      int count = 0;
      while (!replica.done()) {
        const RoundView view = replica.round();
        GroupRecord record =
            Measure(replica, replica.NewTrial(TrialId::Sync(view.round, view.open_slots.front())));
        if (++count % every == 0) {
          record.centre = bad;
          for (std::size_t k = 0; k < record.losses.size(); k += static_cast<std::size_t>(every)) {
            record.losses[k] = bad;
          }
        }
        Fold(replica, record);
      }
      for (const float x : *replica.parameters()) ASSERT_TRUE(std::isfinite(x)) << bad;
    }
  }
}

}  // namespace
}  // namespace ndcao
