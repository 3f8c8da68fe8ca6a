// Who is believed: the rule by which two measurements agree, and what follows when they do not.
#include <gtest/gtest.h>
// rapidcheck's adapter needs gtest first.
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>

#include "ndcao/random/sequence.h"
#include "ndcao/replica/agreement.h"
#include "replica/fold_driver.h"

namespace ndcao {
namespace {

constexpr std::size_t kM = 64;

struct Losses {
  float centre = 2;
  std::vector<float> values;

  MeasuredGroup view() const { return {centre, values}; }
};

// Losses around `level` with a spread of a hundredth of it.
Losses Honest(std::uint64_t seed, double level = 2) {
  RandomSequence random(seed, Purpose::kTest, 1);
  Losses losses{static_cast<float>(level), {}};
  for (std::size_t k = 0; k < kM; ++k) {
    losses.values.push_back(static_cast<float>(level * (1.01 + 0.01 * random.Normal())));
  }
  return losses;
}

template <typename Change>
Losses Changed(Losses losses, Change change) {
  losses.centre = change(losses.centre);
  for (float& x : losses.values) x = change(x);
  return losses;
}

RC_GTEST_PROP(AgreementTest, LastBitsDoNotMatter, (std::uint64_t seed)) {
  const double level = *rc::gen::element(1e-3, 0.7, 2.0, 500.0);
  const Losses honest = Honest(seed, level);
  RandomSequence bits(seed, Purpose::kTest, 2);
  const Losses other = Changed(
      honest, [&](float x) { return x * static_cast<float>(1 + 1e-5 * (bits.Uniform() - 0.5)); });
  RC_ASSERT(Agree(honest.view(), other.view()));
  RC_ASSERT(Agree(other.view(), honest.view()));
}

RC_GTEST_PROP(AgreementTest, LiesOfEveryKindAreSeenFromEitherSide, (std::uint64_t seed)) {
  const Losses honest = Honest(seed);
  RandomSequence random(seed, Purpose::kTest, 3);
  const auto noise = [&](double spread) {
    return Changed(honest,
                   [&](float) { return static_cast<float>(2.02 + spread * random.Normal()); });
  };
  const std::vector<Losses> lies = {
      noise(0.02),  // as spread as the truth
      noise(2),
      noise(1e-4),
      Changed(honest, [](float x) { return -x; }),
      Changed(honest, [](float x) { return 4.04f - x; }),  // reversed about the mean
      Changed(honest, [](float) { return 1.0f; }),
      Changed(honest, [](float) { return 2.02f; }),
      Changed(honest, [](float x) { return 1e6f * x; }),
      Changed(honest, [](float x) { return x + 10; }),
      Changed(honest, [](float) { return std::nanf(""); }),
      Honest(seed + 1),
  };
  for (const Losses& lie : lies) {
    RC_ASSERT(!Agree(honest.view(), lie.view()));
    RC_ASSERT(!Agree(lie.view(), honest.view()));
  }
}

TEST(AgreementTest, NothingFiniteIsTheSameAsNothingFinite) {
  const Losses nan{NAN, std::vector<float>(kM, NAN)};
  const Losses inf{INFINITY, std::vector<float>(kM, INFINITY)};
  EXPECT_TRUE(Agree(nan.view(), inf.view()));
  Losses few = Honest(1);
  few.values[3] = NAN;  // one of 64 overflows on one machine only
  EXPECT_TRUE(Agree(few.view(), Honest(1).view()));
}

TEST(AgreementTest, AConstantLossAgreesWithItself) {
  const Losses flat{0.5f, std::vector<float>(kM, 0.5f)};
  EXPECT_TRUE(Agree(flat.view(), flat.view()));
}

RunSpec AuditedSpec(std::uint64_t groups, double share, RunMode mode) {
  RunSpec spec = QuadraticSpec(groups);
  spec.audit = share;
  spec.mode = mode;
  return spec;
}

// Last-bit differences of another machine, or a lie.
using Report = std::function<float(float)>;

/// Workers on one replica in turns: everybody measures a group, and the audits he is asked for.
class Crowd {
 public:
  Crowd(const RunSpec& spec, std::vector<std::string> names)
      : replica_(Replica::Create(spec, QuadraticLayout(), ParameterVector(40, 0.0f)).value()),
        names_(std::move(names)),
        reports_(names_.size(), [](float x) { return x; }) {
    for (const std::string& name : names_) Put(JoinRecord{name});
  }

  void SetReport(WorkerId worker, Report report) { reports_[worker] = std::move(report); }
  /// It is alive no longer, but nobody knows.
  void Kill(WorkerId worker) { dead_.insert(worker); }

  void Run() {
    std::uint64_t counter = 0;
    while (!replica_.done()) {
      const auto worker = static_cast<WorkerId>(counter % names_.size());
      ++counter;
      if (dead_.contains(worker)) continue;
      Audit(worker);
      Measure(worker, counter);
    }
  }

  const Replica& replica() const { return replica_; }
  const std::vector<Record>& records() const { return records_; }
  const std::vector<std::string>& decisions() const { return decisions_; }
  std::uint64_t groups_of(WorkerId worker) const { return accepted_.at(worker); }

 private:
  void Audit(WorkerId worker) {
    for (const Offset at : replica_.audits()->open()) {
      if (!replica_.audits()->Awaits(at, worker, replica_.counters().groups)) continue;
      const Trial& trial = trials_.at(at);
      const GroupRecord group = ndcao::Measure(replica_, trial, worker);
      Put(Told(worker, AuditRecord{worker, at, group.centre, group.losses}));
    }
  }

  void Measure(WorkerId worker, std::uint64_t counter) {
    const RoundView view = replica_.round();
    const TrialId id = replica_.spec().mode == RunMode::kAsync
                           ? TrialId::Async(worker, counter)
                           : TrialId::Sync(view.round, view.open_slots.front());
    const Trial trial = replica_.NewTrial(id);
    trials_.emplace(replica_.next_offset(), trial);
    const Outcome outcome = Put(Told(worker, ndcao::Measure(replica_, trial, worker)));
    accepted_[worker] += outcome == Outcome::kFolded;
  }

  template <typename T>
  T Told(WorkerId worker, T record) {
    record.centre = reports_[worker](record.centre);
    for (float& x : record.losses) x = reports_[worker](x);
    return record;
  }

  Outcome Put(Record record) {
    records_.push_back(record);
    const Outcome outcome = Fold(replica_, std::move(record));
    for (std::string& text : replica_.TakeDecisions()) decisions_.push_back(std::move(text));
    return outcome;
  }

  Replica replica_;
  std::vector<std::string> names_;
  std::vector<Report> reports_;
  std::set<WorkerId> dead_;
  std::map<Offset, Trial> trials_;
  std::map<WorkerId, std::uint64_t> accepted_;
  std::vector<Record> records_;
  std::vector<std::string> decisions_;
};

const std::vector<std::string> kFour = {"ann", "bob", "cyd", "dee"};

RC_GTEST_PROP(AuditTest, HonestWorkersAreNeverExcludedAndNothingChanges, (bool async)) {
  RunSpec spec = AuditedSpec(80, 0.5, async ? RunMode::kAsync : RunMode::kSync);
  spec.seed = *rc::gen::inRange<std::uint64_t>(1, 1000);
  Crowd crowd(spec, kFour);
  for (WorkerId worker = 0; worker < 4; ++worker) {
    RandomSequence bits(spec.seed, Purpose::kTest, worker);
    crowd.SetReport(worker, [bits](float x) mutable {
      return x * static_cast<float>(1 + 1e-6 * (bits.Uniform() - 0.5));
    });
  }
  crowd.Run();
  const AuditLedger& audits = *crowd.replica().audits();
  RC_ASSERT(audits.excluded().empty());
  RC_ASSERT(audits.counters().disputed == 0U);
  RC_ASSERT(audits.counters().done > 15U);
  // The same groups without the audits: the same parameters.
  spec.audit.reset();
  Replica plain = Replica::Create(spec, QuadraticLayout(), ParameterVector(40, 0.0f)).value();
  for (Record record : crowd.records()) {
    if (auto* group = std::get_if<GroupRecord>(&record)) {
      const Trial trial = plain.NewTrial(group->trial);
      group->base = trial.base;
      group->base_chain = trial.base_chain;
    }
    if (!std::holds_alternative<AuditRecord>(record)) Fold(plain, record);
  }
  RC_ASSERT(plain.digest() == crowd.replica().digest());
}

RC_GTEST_PROP(AuditTest, ALiarIsNamedAndItsRecordsCountNoMore, (bool async)) {
  RunSpec spec = AuditedSpec(200, 0.3, async ? RunMode::kAsync : RunMode::kSync);
  spec.seed = *rc::gen::inRange<std::uint64_t>(1, 1000);
  const auto liar = *rc::gen::inRange<WorkerId>(0, 4);
  const int kind = *rc::gen::inRange(0, 4);
  Crowd crowd(spec, kFour);
  RandomSequence random(spec.seed, Purpose::kTest, 9);
  crowd.SetReport(liar, [random, kind](float x) mutable {
    if (kind == 0) return static_cast<float>(5 * random.Uniform());
    return kind == 1 ? -x : kind == 2 ? 1.0f : 1e6f * x;
  });
  crowd.Run();
  const Replica& replica = crowd.replica();
  RC_ASSERT(replica.audits()->excluded() == std::vector<std::string>{kFour[liar]});
  RC_ASSERT(replica.counters().excluded > 0U);
  RC_ASSERT(crowd.groups_of(liar) < 40U);
  const auto named = [&](const std::string& text) {
    return text.find("'" + kFour[liar] + "' is alone") != std::string::npos;
  };
  RC_ASSERT(std::count_if(crowd.decisions().begin(), crowd.decisions().end(), named) == 1);

  // Another replica comes to the same from the same journal, also by way of a snapshot; and what
  // the liar journals afterwards, under another number of the same name, changes nothing.
  Replica twin = Replica::Create(spec, QuadraticLayout(), ParameterVector(40, 0.0f)).value();
  const auto cut = *rc::gen::inRange<std::size_t>(0, crowd.records().size());
  for (std::size_t i = 0; i < crowd.records().size(); ++i) {
    if (i == cut) twin = Replica::Restore(spec, QuadraticLayout(), twin.Snapshot()).value();
    Fold(twin, crowd.records()[i]);
  }
  RC_ASSERT(twin.digest() == replica.digest());
  RC_ASSERT(twin.Snapshot() == replica.Snapshot());
  Fold(twin, BudgetRecord{2 * spec.budget});
  Fold(twin, JoinRecord{kFour[liar]});
  const RoundView view = twin.round();
  const TrialId id = async ? TrialId::Async(4, 0) : TrialId::Sync(view.round, 0);
  RC_ASSERT(Fold(twin, Measure(twin, twin.NewTrial(id), 4)) == Outcome::kExcluded);
  RC_ASSERT(Fold(twin, DigestRecord{4, 0, "nonsense"}) == Outcome::kExcluded);
  RC_ASSERT(Fold(twin, AuditRecord{4, 9, 0, {}}) == Outcome::kExcluded);
  RC_ASSERT(twin.digest() == replica.digest());
}

// The first groups of a run have nothing to be measured by: lies among them poison the statistics.
TEST(AuditTest, WhatALiarHasTaughtIsForgotten) {
  for (const RunMode mode : {RunMode::kSync, RunMode::kAsync}) {
    Crowd honest(AuditedSpec(400, 0.3, mode), kFour);
    honest.Run();
    Crowd crowd(AuditedSpec(400, 0.3, mode), kFour);
    crowd.SetReport(0, [](float x) { return 1e6f * x; });
    crowd.Run();
    EXPECT_EQ(crowd.replica().audits()->excluded(), std::vector<std::string>{"ann"});
    const auto left = [](const Crowd& c) { return Quadratic(*c.replica().parameters()); };
    EXPECT_LT(left(crowd), 3 * left(honest) + 1e-3 * Quadratic(ParameterVector(40, 0.0f)));
  }
}

TEST(AuditTest, WithoutAThirdBothStayAndItIsSaid) {
  Crowd crowd(AuditedSpec(80, 0.3, RunMode::kSync), {"ann", "bob"});
  crowd.SetReport(1, [](float x) { return -x; });
  crowd.Run();
  const AuditLedger& audits = *crowd.replica().audits();
  EXPECT_TRUE(audits.excluded().empty());
  EXPECT_GT(audits.counters().undecided, 3u);
  EXPECT_EQ(audits.counters().undecided, audits.counters().disputed);
  const auto says_so = [](const std::string& text) {
    return text.find("there is no third: both stay") != std::string::npos;
  };
  EXPECT_TRUE(std::any_of(crowd.decisions().begin(), crowd.decisions().end(), says_so));
}

TEST(AuditTest, ThreadsOfOneNameAreOneAndNeverAuditThemselves) {
  Crowd alone(AuditedSpec(80, 1, RunMode::kSync), {"ann", "ann", "ann"});
  alone.Run();
  EXPECT_EQ(alone.replica().audits()->counters().chosen, 0u);
  // Three threads of a liar do not outvote two others.
  Crowd crowd(AuditedSpec(200, 0.3, RunMode::kAsync), {"eve", "eve", "eve", "ann", "bob"});
  for (WorkerId worker = 0; worker < 3; ++worker) {
    crowd.SetReport(worker, [](float x) { return -x; });
  }
  crowd.Run();
  EXPECT_EQ(crowd.replica().audits()->excluded(), std::vector<std::string>{"eve"});
}

TEST(AuditTest, WhoDoesNotAnswerIsNotWaitedFor) {
  Crowd crowd(AuditedSpec(400, 0.3, RunMode::kAsync), kFour);
  crowd.Kill(0);
  crowd.SetReport(1, [](float x) { return 1e6f * x; });
  crowd.Run();
  EXPECT_EQ(crowd.replica().audits()->excluded(), std::vector<std::string>{"bob"});
}

TEST(AuditTest, AnAuditCountsOnceAndOnlyFromWhoIsAsked) {
  Crowd crowd(AuditedSpec(16, 1, RunMode::kAsync), kFour);
  crowd.Run();
  Replica replica =
      Replica::Create(crowd.replica().spec(), QuadraticLayout(), ParameterVector(40, 0.0f)).value();
  int audits = 0;
  for (const Record& record : crowd.records()) {
    const auto* audit = std::get_if<AuditRecord>(&record);
    if (audit != nullptr) {
      AuditRecord short_one = *audit;
      short_one.losses.pop_back();
      EXPECT_FALSE(replica.audits()->Awaits(audit->at + 1000, audit->worker, 0));
      // Folding these would shift offsets: ask a copy.
      Replica copy =
          Replica::Restore(replica.spec(), QuadraticLayout(), replica.Snapshot()).value();
      EXPECT_EQ(Fold(copy, short_one), Outcome::kUnwanted);
      EXPECT_EQ(Fold(copy, *audit), Outcome::kFolded);
      EXPECT_EQ(Fold(copy, *audit), Outcome::kUnwanted);
      ++audits;
    }
    Fold(replica, record);
  }
  EXPECT_GT(audits, 5);
}

TEST(AuditTest, SpecsThatCannotBeAuditedAreRefused) {
  RunSpec spec = AuditedSpec(16, 1.5, RunMode::kSync);
  EXPECT_FALSE(spec.Validate().ok());
  spec.audit = 0.5;
  EXPECT_TRUE(spec.Validate().ok());
  EXPECT_EQ(ParseRunSpec(FormatRunSpec(spec)).value(), spec);
  spec.shape.evaluations = 4;
  EXPECT_NE(spec.Validate().error().message().find("8 or more"), std::string::npos);
  spec = AuditedSpec(16, 0.5, RunMode::kAsync);
  spec.overrides.push_back({"b", DefaultsFor("pgpe").value().options});
  EXPECT_NE(spec.Validate().error().message().find("async"), std::string::npos);
}

// Members are counted by names, workers by their members: the ledger's first four lists.
TEST(AuditLedgerTest, AMemberWithoutANameIsNotLoaded) {
  for (const std::uint32_t member : {0u, 1u}) {
    ByteWriter out;
    out.Put(std::uint64_t{1});
    out.PutString("only");
    out.PutVector(std::vector<std::uint32_t>{0});
    out.PutVector(std::vector<std::uint64_t>{3});
    out.PutVector(std::vector<std::uint32_t>{member});  // excluded
    const AuditCounters counters;
    out.PutAll(std::as_bytes(std::span(&counters, 1)));
    out.Put(std::uint64_t{0});  // open audits
    AuditLedger ledger(1, 0.5);
    ByteReader in(out.bytes());
    ledger.Load(in);
    EXPECT_EQ(in.ok(), member == 0);
  }
}

}  // namespace
}  // namespace ndcao
