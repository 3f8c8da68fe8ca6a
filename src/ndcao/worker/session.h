// Worker threads of one process on one run: catch up with the journal, take a trial, evaluate it,
// append what came of it, and so on until the budget is used up.
//
// Synchronous runs: the threads take the round's open slots; who finds none helps another thread
// with its group, or takes a slot that takes too long. Asynchronous runs: every thread evaluates
// groups of its own, at the version of θ that it finds, and nobody waits for anybody. In runs with
// audits, what others measured and a thread is asked to measure again comes first. The replica
// alone decides what counts.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "ndcao/base/result.h"
#include "ndcao/evaluate/evaluator.h"
#include "ndcao/journal/journal.h"
#include "ndcao/replica/replica.h"
#include "ndcao/worker/audit_desk.h"
#include "ndcao/worker/group_evaluation.h"
#include "ndcao/worker/phase_clock.h"
#include "ndcao/worker/shared_group.h"
#include "ndcao/worker/slot_owners.h"
#include "ndcao/worker/team_executor.h"

namespace ndcao {

/// How a run stands, for people.
struct SessionProgress {
  double seconds = 0;
  double fraction = 0;  ///< Of the budget.
  std::uint64_t image_forwards = 0;
  std::uint64_t wasted = 0;
  double images_per_second = 0;  ///< By this process, since it began.
  double train_loss = 0;         ///< Running mean of GroupLoss; NaN before the first.
  std::optional<Score> test;     ///< The newest measurement.
  std::uint64_t stale = 0;
  std::vector<std::string> excluded;  ///< Whose losses were found wrong, by name.
};

struct SessionOptions {
  int threads = 1;
  std::string name = "worker";    ///< Sessions of one name audit each other never.
  double max_seconds = 0;         ///< 0: no limit.
  bool budget_from_time = false;  ///< The budget follows from max_seconds, by the speed measured.
  bool marks = true;              ///< Measure test accuracy now and then, and journal it.
  /// For tests: thread i sleeps this long in every group.
  std::vector<std::chrono::milliseconds> delays;
  /// Called about ten times a second, and once at the end.
  std::function<void(const SessionProgress&)> on_progress;
  /// Called after every record that this process folds, under the session's lock.
  std::function<void(const Replica&, const Entry&, Outcome)> on_entry;
  /// Polled; true: stop after the groups under way have been thrown away. (Ctrl-C.)
  std::function<bool()> stop_requested;
};

/// What a session came to.
struct SessionResult {
  bool done = false;       ///< The budget is used up.
  bool cancelled = false;  ///< stop_requested.
  double seconds = 0;
  std::uint64_t image_forwards = 0;  ///< Of groups accepted while this session ran.
  WorkerId worker = 0;               ///< The first of this session.
  PhaseSeconds phases{};             ///< Of all threads together.
};

class Session {
 public:
  /// All of these outlive the session. `replica` may be behind the journal.
  Session(Journal& journal, Replica& replica, const Problem& problem, SessionOptions options);

  /// Until the budget is used up, the time is over, a stop is asked for, or an error.
  Result<SessionResult> Run();

 private:
  struct Claim {
    int workers = 0;
    std::chrono::steady_clock::time_point since;
    std::shared_ptr<SharedGroup> group;  // of the first of them
  };
  struct Worker {
    WorkerId id = std::numeric_limits<WorkerId>::max();  // nobody, until it has joined
    std::uint64_t counter = 0;
    std::unique_ptr<GroupEvaluation> evaluation;
    std::chrono::duration<double> last_group{0};
    std::chrono::milliseconds delay{0};
  };

  Status CreateWorkers();
  void WorkerLoop(Worker& worker);
  Status WorkOnce(Worker& worker);
  Status Measure(Worker& worker, SharedGroup& group);
  Result<std::optional<GroupRecord>> EvaluateGroup(Worker& worker, SharedGroup& group);
  Status Help(Worker& worker, SharedGroup& group);
  Status Audit(Worker& worker, const AuditTask& task);
  Status CatchUp(PhaseClock& clock);
  PhaseSeconds Phases() const;
  Status FoldEntry(const Entry& entry);
  void Attribute(WorkerId worker, Offset at, std::vector<std::string> decisions);
  Status Publish(Worker& worker, const Record& record);
  Status Attest();
  bool IsMine(WorkerId worker) const;
  std::shared_ptr<SharedGroup> Lead(TrialId id);
  std::shared_ptr<SharedGroup> TakeFree(Worker& worker);
  std::shared_ptr<SharedGroup> JoinGroup();
  std::shared_ptr<SharedGroup> TakeLate(const Worker& worker);
  static bool Overdue(const Worker& worker, std::chrono::steady_clock::time_point since);
  void ReleaseTrial(TrialId id);
  bool Cancelled(TrialId id);
  Status CheckBelieved(const Worker& worker) const;

  Status Monitor();
  Status MeasureTest();
  Status FollowTime();
  Status AppendMark(Offset at, std::uint64_t image_forwards, const Score& score);
  double TrainLoss() const;
  void ReportProgress();
  double Seconds() const;
  void Fail(const Error& error);
  void Stop();

  Journal& journal_;
  Replica& replica_;
  const Problem& problem_;
  SessionOptions options_;
  TeamExecutor team_;

  std::mutex mutex_;  // guards the replica and what follows
  std::map<TrialId, Claim> claims_;
  SlotOwners owners_;
  std::chrono::steady_clock::time_point round_since_;  ///< When this process heard of the round.
  AuditDesk audit_desk_;
  std::optional<Error> error_;
  // What replicas must agree on, seen when one of our own records was folded.
  std::vector<DecisionRecord> decisions_due_;
  std::optional<DigestRecord> digest_due_;
  double train_loss_ = 0;
  double train_loss_weight_ = 0;
  std::atomic<bool> stopping_ = false;  // read without the lock, too
  std::condition_variable stopped_;
  std::atomic<std::uint64_t> generation_ = 0;  // of the replica: grows with every entry folded

  std::vector<Worker> workers_;
  std::unique_ptr<Evaluator> test_evaluator_;
  std::optional<Score> test_score_;
  std::uint64_t next_mark_ = 0;
  std::uint64_t initial_forwards_ = 0;
  std::chrono::steady_clock::time_point start_;
  bool cancelled_ = false;
};

}  // namespace ndcao
