#include "ndcao/worker/session.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <functional>
#include <map>
#include <mutex>
#include <numeric>
#include <stdexcept>
#include <thread>

#include "ndcao/base/hash.h"
#include "ndcao/base/log.h"
#include "ndcao/evaluate/callable.h"
#include "ndcao/evaluate/functions/make_function.h"
#include "ndcao/journal/memory/memory_journal.h"
#include "worker/function_spec.h"
#include "worker/lying_problem.h"

namespace ndcao {
namespace {

struct FunctionRun {
  MemoryJournal journal;
  std::unique_ptr<Problem> problem = MakeFunction("sphere:30").value();
  std::optional<Replica> replica;

  explicit FunctionRun(const RunSpec& spec) {
    replica.emplace(Replica::Create(spec, problem->layout(), problem->Initial(1).value()).value());
  }
  Result<SessionResult> Train(SessionOptions options) {
    options.marks = false;
    return Session(journal, *replica, *problem, std::move(options)).Run();
  }
};

SessionOptions Threads(int threads) {
  SessionOptions options;
  options.threads = threads;
  return options;
}

TEST(SessionTest, SynchronousDigestDoesNotDependOnTheNumberOfThreads) {
  std::string digest;
  for (const int threads : {1, 2, 5}) {
    FunctionRun run(FunctionSpec(160));
    const auto result = run.Train(Threads(threads));
    ASSERT_TRUE(result.ok()) << result.error().message();
    EXPECT_TRUE(result.value().done);
    if (digest.empty()) digest = run.replica->digest();
    EXPECT_EQ(run.replica->digest(), digest) << threads << " threads";
  }
}

// One slot, so that the threads share a group when it happens.
TEST(SessionTest, AnExceptionEndsTheRunWithItsText) {
  std::atomic<int> evaluations = 0;
  const CallableProblem problem(30, [&](std::span<const float>) -> double {
    if (++evaluations > 100) throw std::runtime_error("no such operator");
    return 1;
  });
  RunSpec spec = FunctionSpec(40);
  spec.shape.slots = 1;
  MemoryJournal journal;
  Replica replica = Replica::Create(spec, problem.layout(), problem.Initial(1).value()).value();
  SessionOptions options = Threads(2);
  options.marks = false;
  const auto result = Session(journal, replica, problem, options).Run();
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code(), ErrorCode::kFailed);
  EXPECT_EQ(result.error().message(), "no such operator");
}

// One slot: the second thread has no group of its own, ever. An antithetic pair must stay together.
TEST(SessionTest, AThreadWithoutASlotMeasuresPartOfAnothersGroup) {
  std::string digest;
  for (const int threads : {1, 2}) {
    std::mutex mutex;
    std::map<std::thread::id, int> measured;
    const CallableProblem problem(30, [&](std::span<const float> x) {
      std::this_thread::sleep_for(std::chrono::microseconds(200));
      const std::lock_guard lock(mutex);
      ++measured[std::this_thread::get_id()];
      return std::transform_reduce(x.begin(), x.end(), 0.0, std::plus<>(),
                                   [](float value) { return (value - 1.0) * (value - 1.0); });
    });
    RunSpec spec = FunctionSpec(40);
    spec.options = DefaultsFor("openai-es").value().options;
    spec.shape = {15, false, false, 1};
    spec.budget = 40 * spec.group_cost();
    MemoryJournal journal;
    Replica replica = Replica::Create(spec, problem.layout(), ParameterVector(30)).value();
    SessionOptions options = Threads(threads);
    options.marks = false;
    ASSERT_TRUE(Session(journal, replica, problem, options).Run().ok());
    int all = 0;
    for (const auto& [thread, count] : measured) {
      all += count;
      EXPECT_GT(count, 40) << threads;  // of 600
    }
    EXPECT_EQ(all, 40 * 15);
    EXPECT_EQ(measured.size(), static_cast<std::size_t>(threads));
    EXPECT_EQ(replica.counters().duplicates, 0u);
    if (digest.empty()) digest = replica.digest();
    EXPECT_EQ(replica.digest(), digest);
  }
}

TEST(SessionTest, AStragglerDelaysNobodyAndChangesNothing) {
  FunctionRun plain(FunctionSpec(40));
  ASSERT_TRUE(plain.Train(Threads(1)).ok());
  FunctionRun slow(FunctionSpec(40));
  SessionOptions options = Threads(3);
  options.delays = {std::chrono::milliseconds(1), std::chrono::milliseconds(1),
                    std::chrono::milliseconds(60000)};
  const auto result = slow.Train(options);
  ASSERT_TRUE(result.ok());
  // One straggling group alone would take a minute: the others filled its slot.
  EXPECT_LT(result.value().seconds, 20);
  EXPECT_EQ(slow.replica->digest(), plain.replica->digest());
}

/// A group of another process, based on what `replica` has folded.
GroupRecord GroupOfAnother(const Replica& replica, std::uint32_t slot, WorkerId worker) {
  GroupRecord group;
  group.trial = TrialId::Sync(replica.round().round, slot);
  group.base = replica.next_offset();
  group.base_chain = replica.chain();
  group.worker = worker;
  group.examples = static_cast<std::uint32_t>(replica.spec().group_cost());
  group.centre = 1;
  for (std::uint32_t k = 0; k < replica.spec().shape.evaluations; ++k) {
    group.losses.push_back(1 + 1e-3f * static_cast<float>(k));
  }
  return group;
}

// Three other workers have slots of their own, 0, 2 and 3, and fill them as soon as the session has
// filled its slot. It has joined last, and by its number it would begin at slot 3: the habits it
// reads from the journal leave it slot 1, and it finds it in every round.
TEST(SessionTest, AWorkerBeginsWhereTheOthersLeaveASlot) {
  constexpr WorkerId kMine = 3;
  constexpr std::uint64_t kRounds = 6;
  FunctionRun run(FunctionSpec(4 * kRounds));
  Replica others =
      Replica::Create(run.replica->spec(), run.problem->layout(), run.problem->Initial(1).value())
          .value();
  const auto append = [&](const Record& record) {
    ASSERT_TRUE(run.journal.Append(record).ok());
    SerialExecutor executor;
    for (const Entry& entry : run.journal.Read(others.next_offset(), 100, {}).value()) {
      ASSERT_TRUE(others.Apply(entry, executor).ok());
    }
  };
  for (WorkerId worker = 0; worker < kMine; ++worker) append(JoinRecord{"other"});
  append(GroupOfAnother(others, 0, 0));
  append(GroupOfAnother(others, 1, 0));  // besides its own: nobody's
  append(GroupOfAnother(others, 2, 1));
  append(GroupOfAnother(others, 3, 2));
  append(GroupOfAnother(others, 0, 0));

  std::vector<std::uint32_t> mine;
  SessionOptions options = Threads(1);
  options.on_entry = [&](const Replica& replica, const Entry& entry, Outcome outcome) {
    const auto* group = std::get_if<GroupRecord>(&entry.record);
    if (group == nullptr || outcome != Outcome::kFolded) return;
    if (group->worker == kMine) {
      mine.push_back(group->trial.slot());
      (void)run.journal.Append(GroupOfAnother(replica, 2, 1));
      (void)run.journal.Append(GroupOfAnother(replica, 3, 2));
    } else if (group->trial.slot() == 3 && group->trial.round() > 0 && !replica.done()) {
      (void)run.journal.Append(GroupOfAnother(replica, 0, 0));
    }
  };
  const auto result = run.Train(options);
  ASSERT_TRUE(result.ok()) << result.error().message();
  EXPECT_EQ(mine, std::vector<std::uint32_t>(kRounds - 1, 1));
  EXPECT_EQ(run.replica->counters().duplicates, 0u);
}

TEST(SessionTest, AsynchronousThreadsTrainAndTheirJournalReplays) {
  RunSpec spec = FunctionSpec(600, RunMode::kAsync);
  spec.clock = {ClockKind::kPoisson, 1, 10};
  FunctionRun run(spec);
  auto evaluator = run.problem->NewEvaluator().value();
  const auto loss = [&] {
    const ParameterVector& theta = *run.replica->parameters();
    std::copy(theta.begin(), theta.end(), evaluator->parameters().begin());
    return evaluator->Loss({}, {}).value();
  };
  const double before = loss();
  ASSERT_TRUE(run.Train(Threads(4)).ok());
  EXPECT_LT(loss(), 0.5 * before);

  Replica again =
      Replica::Create(spec, run.problem->layout(), run.problem->Initial(1).value()).value();
  SerialExecutor executor;
  for (const Entry& entry : run.journal.Read(0, 1u << 20, {}).value()) {
    ASSERT_TRUE(again.Apply(entry, executor).ok());
    if (again.next_offset() == run.replica->next_offset()) break;
  }
  EXPECT_EQ(again.digest(), run.replica->digest());
}

TEST(SessionTest, AStopLosesNothingAndTheRunGoesOn) {
  FunctionRun whole(FunctionSpec(200));
  ASSERT_TRUE(whole.Train(Threads(2)).ok());
  FunctionRun stopped(FunctionSpec(200));
  int polls = 0;
  SessionOptions options = Threads(2);
  options.delays.assign(2, std::chrono::milliseconds(2));
  options.stop_requested = [&] { return ++polls > 3; };
  const auto first = stopped.Train(options);
  ASSERT_TRUE(first.ok());
  EXPECT_TRUE(first.value().cancelled);
  EXPECT_FALSE(first.value().done);
  ASSERT_TRUE(stopped.Train(Threads(1)).ok());
  EXPECT_EQ(stopped.replica->digest(), whole.replica->digest());
}

/// Four processes, as it were: sessions of their own on one journal, of which the last may lie.
struct Crowd {
  static constexpr std::size_t kWorkers = 4;
  MemoryJournal journal;
  std::unique_ptr<Problem> honest = MakeFunction("sphere:30").value();
  LyingProblem lying{*honest, Lie::kFlipped};
  std::vector<Replica> replicas;
  std::vector<std::optional<Result<SessionResult>>> results{kWorkers};

  Crowd(const RunSpec& spec, bool last_lies) {
    for (std::size_t i = 0; i < kWorkers; ++i) {
      replicas.push_back(
          Replica::Create(spec, honest->layout(), honest->Initial(1).value()).value());
    }
    // Made before the threads: what makes it on first use is not instrumented for TSan.
    (void)spdlog::default_logger_raw();
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < kWorkers; ++i) {
      const bool lies = last_lies && i + 1 == kWorkers;
      threads.emplace_back([this, i, lies] {
        SessionOptions options = Threads(1);
        options.name = "worker-" + std::to_string(i);
        options.marks = false;
        options.delays = {std::chrono::milliseconds(1)};  // so that everybody gets his share
        const Problem& problem = lies ? static_cast<const Problem&>(lying) : *honest;
        results[i].emplace(Session(journal, replicas[i], problem, std::move(options)).Run());
      });
    }
  }
};

RunSpec AuditedSpec(RunMode mode) {
  RunSpec spec = FunctionSpec(2000, mode);
  spec.audit = 0.3;
  return spec;
}

// An auditor measures where the author did, however far the fold has moved on since.
TEST(SessionTest, HonestSessionsAgreeInEveryAudit) {
  for (const RunMode mode : {RunMode::kSync, RunMode::kAsync}) {
    const Crowd crowd(AuditedSpec(mode), false);
    for (std::size_t i = 0; i < Crowd::kWorkers; ++i) {
      ASSERT_TRUE(crowd.results[i]->ok()) << crowd.results[i]->error().message();
      const AuditCounters& counters = crowd.replicas[i].audits()->counters();
      EXPECT_GT(counters.done, 100u);
      EXPECT_EQ(counters.disputed, 0u);
      EXPECT_EQ(crowd.replicas[i].digest(), crowd.replicas[0].digest());
    }
  }
}

TEST(SessionTest, ALiarIsShutOutByEveryReplicaAlike) {
  for (const RunMode mode : {RunMode::kSync, RunMode::kAsync}) {
    const Crowd crowd(AuditedSpec(mode), true);
    for (std::size_t i = 0; i + 1 < Crowd::kWorkers; ++i) {
      ASSERT_TRUE(crowd.results[i]->ok()) << crowd.results[i]->error().message();
      EXPECT_EQ(crowd.replicas[i].audits()->excluded(), std::vector<std::string>{"worker-3"});
      EXPECT_EQ(crowd.replicas[i].digest(), crowd.replicas[0].digest());
    }
    const Result<SessionResult>& liar = *crowd.results.back();
    ASSERT_FALSE(liar.ok());
    EXPECT_EQ(liar.error().code(), ErrorCode::kFailed);
    EXPECT_NE(liar.error().message().find("'worker-3'"), std::string::npos);
  }
}

/// Answers NaN, or fails, instead of a loss.
class BadEvaluator : public Evaluator {
 public:
  explicit BadEvaluator(bool fails) : fails_(fails) {}
  std::span<float> parameters() override { return parameters_; }
  Status Select(std::span<const std::uint32_t>) override { return Ok(); }
  Status PerExample(std::span<float>, std::span<float>) override { return Ok(); }
  Result<double> Loss(TrialId, std::span<const float>) override {
    if (fails_) return Failed("the objective is gone");
    return NAN;
  }
  Result<Score> Test() override { return Score{NAN, NAN}; }

 private:
  bool fails_;
  ParameterVector parameters_ = ParameterVector(30);
};

class BadProblem : public Problem {
 public:
  explicit BadProblem(bool fails) : fails_(fails), layout_(Layout::Flat(30)) {}
  const Layout& layout() const override { return layout_; }
  Result<ParameterVector> Initial(std::uint64_t) const override { return ParameterVector(30); }
  Result<std::unique_ptr<Evaluator>> NewEvaluator() const override {
    return std::unique_ptr<Evaluator>(std::make_unique<BadEvaluator>(fails_));
  }

 private:
  bool fails_;
  Layout layout_;
};

TEST(SessionTest, LossesThatAreAllNaNEndTheRunWithASentence) {
  for (const bool fails : {false, true}) {
    const BadProblem problem(fails);
    MemoryJournal journal;
    Replica replica =
        Replica::Create(FunctionSpec(100), problem.layout(), ParameterVector(30)).value();
    const auto result = Session(journal, replica, problem, Threads(2)).Run();
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code(), ErrorCode::kFailed);
    EXPECT_NE(result.error().message().find(fails ? "gone" : "NaN or infinite"), std::string::npos);
  }
}

}  // namespace
}  // namespace ndcao
