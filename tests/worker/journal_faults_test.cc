// Sessions on a journal that fails: at every append of a short run, before and after it took
// effect.
#include <gtest/gtest.h>

#include "ndcao/evaluate/functions/make_function.h"
#include "ndcao/journal/fault_journal.h"
#include "ndcao/journal/memory/memory_journal.h"
#include "ndcao/worker/session.h"
#include "worker/function_spec.h"

namespace ndcao {
namespace {

constexpr std::uint64_t kGroups = 12;

/// What a process knows of a run when it starts: the spec.
struct Process {
  std::unique_ptr<Problem> problem = MakeFunction("sphere:30").value();
  Replica replica;

  explicit Process(const RunSpec& spec)
      : replica(Replica::Create(spec, problem->layout(), problem->Initial(1).value()).value()) {}

  Result<SessionResult> Work(Journal& journal) {
    SessionOptions options;
    options.marks = false;
    return Session(journal, replica, *problem, options).Run();
  }
};

std::string DigestOfJournal(const RunSpec& spec, Journal& journal) {
  Process process(spec);
  SerialExecutor executor;
  const std::vector<Entry> entries = journal.Read(0, 1000, std::chrono::milliseconds(0)).value();
  for (const Entry& entry : entries) {
    EXPECT_TRUE(process.replica.Apply(entry, executor).ok());
  }
  return process.replica.digest();
}

/// The digest of an undisturbed run, and the appends that it took.
std::pair<std::string, std::uint64_t> Undisturbed(const RunSpec& spec) {
  MemoryJournal inner;
  FaultJournal journal(inner, {});
  Process process(spec);
  const std::string initial = process.replica.digest();
  EXPECT_TRUE(process.Work(journal).value().done);
  EXPECT_NE(process.replica.digest(), initial);
  return {process.replica.digest(), journal.appends()};
}

class JournalFaultsTest : public testing::TestWithParam<RunMode> {};

TEST_P(JournalFaultsTest, ARunThatDiesAtAnyAppendIsResumed) {
  const RunSpec spec = FunctionSpec(kGroups, GetParam());
  const auto [digest, appends] = Undisturbed(spec);
  ASSERT_GE(appends, kGroups);
  for (const FaultKind kind : {FaultKind::kCrashBefore, FaultKind::kCrashAfter}) {
    for (std::uint64_t at = 0; at < appends; ++at) {
      MemoryJournal inner;
      FaultJournal journal(inner, {{at, kind}});
      EXPECT_FALSE(Process(spec).Work(journal).ok()) << at;
      Process second(spec);
      const auto result = second.Work(inner);
      ASSERT_TRUE(result.ok()) << result.error().message();
      EXPECT_TRUE(result.value().done);
      EXPECT_EQ(second.replica.counters().groups, kGroups) << at;
      EXPECT_EQ(second.replica.digest(), DigestOfJournal(spec, inner)) << at;
      if (GetParam() == RunMode::kSync) {
        EXPECT_EQ(second.replica.digest(), digest) << at;
      }
    }
  }
}

TEST_P(JournalFaultsTest, ARecordThatComesTwiceCountsOnce) {
  const RunSpec spec = FunctionSpec(kGroups, GetParam());
  const auto [digest, appends] = Undisturbed(spec);
  for (std::uint64_t at = 0; at < appends; ++at) {
    MemoryJournal inner;
    FaultJournal journal(inner, {{at, FaultKind::kDuplicate}});
    Process process(spec);
    EXPECT_TRUE(process.Work(journal).value().done);
    EXPECT_EQ(process.replica.counters().groups, kGroups) << at;
    EXPECT_EQ(process.replica.digest(), DigestOfJournal(spec, inner)) << at;
    if (GetParam() == RunMode::kSync) {
      EXPECT_EQ(process.replica.digest(), digest) << at;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, JournalFaultsTest, testing::Values(RunMode::kSync, RunMode::kAsync),
                         [](const auto& mode) {
                           return mode.param == RunMode::kSync ? "Sync" : "Async";
                         });

}  // namespace
}  // namespace ndcao
