#include "ndcao/worker/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "ndcao/base/log.h"
#include "ndcao/base/memory_pools.h"
#include "ndcao/replica/check_finite.h"

namespace ndcao {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kReadAtOnce = 256;
constexpr double kLossMemory = 0.98;
// A slot that somebody works on is taken over after this many times one's own time for a group.
constexpr double kHelpAfter = 2;

}  // namespace

Session::Session(Journal& journal, Replica& replica, const Problem& problem, SessionOptions options)
    : journal_(journal),
      replica_(replica),
      problem_(problem),
      options_(std::move(options)),
      owners_(static_cast<std::uint32_t>(replica.spec().shape.slots)) {
  options_.marks = options_.marks && problem.has_test();
}

Result<SessionResult> Session::Run() {
  PhaseClock clock;
  UseMemoryPools(options_.threads);
  NDCAO_TRY(CatchUp(clock));
  NDCAO_TRY(CreateWorkers());
  start_ = Clock::now();
  initial_forwards_ = replica_.counters().image_forwards;
  std::vector<std::jthread> threads;
  for (Worker& worker : workers_) threads.emplace_back([&] { WorkerLoop(worker); });
  const Status monitored = Monitor();
  if (!monitored.ok()) Fail(monitored.error());
  Stop();
  threads.clear();  // joins
  const std::lock_guard lock(mutex_);
  if (error_) return *error_;
  NDCAO_TRY(Attest());
  return SessionResult{replica_.done(),     cancelled_,
                       Seconds(),           replica_.counters().image_forwards - initial_forwards_,
                       workers_.front().id, Phases()};
}

PhaseSeconds Session::Phases() const {
  PhaseSeconds sum{};
  for (const Worker& worker : workers_) {
    const PhaseSeconds& seconds = worker.evaluation->clock().seconds();
    for (std::size_t i = 0; i < kPhases; ++i) sum[i] += seconds[i];
  }
  return sum;
}

Status Session::CreateWorkers() {
  workers_.resize(static_cast<std::size_t>(options_.threads));
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    Worker& worker = workers_[i];
    NDCAO_ASSIGN(auto evaluation, GroupEvaluation::Create(replica_.spec(), problem_));
    worker.evaluation = std::make_unique<GroupEvaluation>(std::move(evaluation));
    if (i < options_.delays.size()) worker.delay = options_.delays[i];
    NDCAO_ASSIGN(const Offset joined, journal_.Append(JoinRecord{options_.name}));
    // Others may join at the same time: one's number is the count of joins before one's own.
    while (replica_.next_offset() <= joined) {
      NDCAO_ASSIGN(const auto entries,
                   journal_.Read(replica_.next_offset(), 1, std::chrono::milliseconds(100)));
      if (entries.empty()) continue;
      worker.id = replica_.joins();
      NDCAO_TRY(FoldEntry(entries.front()));
    }
  }
  if (options_.marks) {
    NDCAO_ASSIGN(test_evaluator_, problem_.NewEvaluator());
  }
  return Ok();
}

void Session::WorkerLoop(Worker& worker) {
  worker.evaluation->clock().Start();
  while (!stopping_) {
    try {
      const Status status = WorkOnce(worker);
      if (!status.ok()) Fail(status.error());
    } catch (const std::exception& error) {  // no memory, or an exception of a network
      Fail(Failed(error.what()));
    }
  }
  worker.evaluation->clock().Enter(Phase::kOther);
}

void Session::Fail(const Error& error) {
  {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = error;
  }
  Stop();
}

// Not with the lock held.
void Session::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stopped_.notify_one();
  team_.Wake();
}

Status Session::WorkOnce(Worker& worker) {
  std::shared_ptr<SharedGroup> own;
  std::shared_ptr<SharedGroup> joined;
  std::optional<AuditTask> audit;
  bool done = false;
  PhaseClock& clock = worker.evaluation->clock();
  {
    const std::lock_guard lock(mutex_);
    NDCAO_TRY(CatchUp(clock));
    done = replica_.done();
    NDCAO_TRY(CheckBelieved(worker));
    if (!done) audit = audit_desk_.Take(replica_, worker.id);
    if (!done && !audit) {
      own = TakeFree(worker);
      if (!own) joined = JoinGroup();
      if (!own && !joined) own = TakeLate(worker);
    }
  }
  if (done) return Stop(), Ok();
  if (audit) return Audit(worker, *audit);
  if (own) return Measure(worker, *own);
  if (joined) NDCAO_TRY(Help(worker, *joined));
  const PhaseScope phase(clock, Phase::kWait);
  team_.WaitAndHelp(std::chrono::milliseconds(2));
  return Ok();
}

Status Session::Measure(Worker& worker, SharedGroup& group) {
  const TrialId id = group.trial().id;
  const auto begin = Clock::now();
  Result<std::optional<GroupRecord>> record = EvaluateGroup(worker, group);
  worker.last_group = Clock::now() - begin;
  {
    const std::lock_guard lock(mutex_);
    group.Release();  // nobody else at this θ: the fold moves it where it is
  }
  if (record.ok() && record.value()) {
    const Status published = Publish(worker, *record.value());
    if (!published.ok()) record = published.error();
  }
  {
    const std::lock_guard lock(mutex_);
    ReleaseTrial(id);
  }
  team_.Wake();
  if (!record.ok()) return record.error();
  return Ok();
}

Result<std::optional<GroupRecord>> Session::EvaluateGroup(Worker& worker, SharedGroup& group) {
  const TrialId id = group.trial().id;
  std::uint64_t seen = generation_;
  const auto cancelled = [&] {
    if (stopping_) return true;
    const std::uint64_t now = generation_;
    if (now == seen) return false;
    seen = now;
    return Cancelled(id);
  };
  // A delayed worker sleeps in small steps, so that it hears of a cancellation.
  for (auto left = worker.delay; left.count() > 0 && !cancelled();) {
    const auto step = std::min(left, std::chrono::milliseconds(5));
    std::this_thread::sleep_for(step);
    left -= step;
  }
  return worker.evaluation->Evaluate(group, worker.id, cancelled);
}

Status Session::Help(Worker& worker, SharedGroup& group) {
  const Status helped = worker.evaluation->Help(group);
  group.Leave(helped);
  return helped;
}

// Evaluates a group of somebody else once more and says what came of it.
Status Session::Audit(Worker& worker, const AuditTask& task) {
  NDCAO_ASSIGN(auto group, worker.evaluation->Evaluate(task.trial, worker.id,
                                                       [this] { return stopping_.load(); }));
  if (!group) return Ok();
  NDCAO_TRY(Publish(worker, AuditRecord{worker.id, task.at, group->centre, group->losses}));
  team_.Wake();
  return Ok();
}

// The slot has been filled by somebody else. Asynchronous groups are never in vain.
bool Session::Cancelled(TrialId id) {
  if (id.is_async()) return false;
  const std::lock_guard lock(mutex_);
  const RoundView view = replica_.round();
  return view.round != id.round() ||
         !std::binary_search(view.open_slots.begin(), view.open_slots.end(), id.slot());
}

Status Session::Publish(Worker& worker, const Record& record) {
  PhaseClock& clock = worker.evaluation->clock();
  const Phase before = clock.Enter(Phase::kJournal);
  NDCAO_ASSIGN(const Offset offset, journal_.Append(record));
  clock.Enter(before);
  const std::lock_guard lock(mutex_);
  NDCAO_TRY(CatchUp(clock));
  NDCAO_CHECK(replica_.next_offset() > offset);
  NDCAO_TRY(CheckFinite(replica_.counters()));
  const PhaseScope phase(clock, Phase::kJournal);
  return Attest();
}

bool Session::IsMine(WorkerId worker) const {
  return std::any_of(workers_.begin(), workers_.end(),
                     [worker](const Worker& mine) { return mine.id == worker; });
}

// What the fold decided after a record is attested by the record's worker.
void Session::Attribute(WorkerId worker, Offset at, std::vector<std::string> decisions) {
  if (!IsMine(worker)) return;
  for (std::string& text : decisions) decisions_due_.push_back({worker, at, std::move(text)});
}

// Journals what the fold decided, and the digest it came to, once for the whole run: whoever wrote
// the record that led to it does.
Status Session::Attest() {
  for (DecisionRecord& decision : std::exchange(decisions_due_, {})) {
    NDCAO_TRY(journal_.Append(std::move(decision)));
  }
  if (digest_due_) NDCAO_TRY(journal_.Append(*std::exchange(digest_due_, std::nullopt)));
  return Ok();
}

Status Session::CheckBelieved(const Worker& worker) const {
  if (replica_.audits() == nullptr || !replica_.audits()->Excluded(worker.id)) return Ok();
  return Failed(
      fmt::format("two other workers have measured other losses than worker '{}': its records "
                  "count for nothing "
                  "in this run any more; check its data, its binary and its memory, and join under "
                  "another name",
                  options_.name));
}

Status Session::FoldEntry(const Entry& entry) {
  const std::optional<DigestRecord> before = replica_.newest_digest();
  audit_desk_.Before(replica_, entry);
  NDCAO_ASSIGN(const Outcome outcome, replica_.Apply(entry, team_));
  audit_desk_.After(replica_, entry);
  ++generation_;
  std::vector<std::string> decisions = replica_.TakeDecisions();
  if (const auto* group = std::get_if<GroupRecord>(&entry.record)) {
    if (outcome == Outcome::kFolded && !group->trial.is_async() &&
        owners_.Filled(group->trial.round(), group->trial.slot(), group->worker)) {
      round_since_ = Clock::now();
    }
    const double loss = GroupLoss(*group);
    if (outcome == Outcome::kFolded && std::isfinite(loss)) {
      train_loss_ = kLossMemory * train_loss_ + (1 - kLossMemory) * loss;
      train_loss_weight_ = kLossMemory * train_loss_weight_ + (1 - kLossMemory);
    }
    for (const std::string& text : decisions) {
      if (IsMine(group->worker)) spdlog::info("{}", text);
    }
    Attribute(group->worker, entry.offset, std::move(decisions));
    const std::optional<DigestRecord> after = replica_.newest_digest();
    if (IsMine(group->worker) && after && (!before || before->groups != after->groups)) {
      digest_due_ = after;
      digest_due_->worker = group->worker;
    }
  } else if (const auto* audit = std::get_if<AuditRecord>(&entry.record)) {
    for (const std::string& text : decisions) spdlog::warn("{}", text);  // who is believed is news
    Attribute(audit->worker, entry.offset, std::move(decisions));
  }
  if (options_.on_entry) options_.on_entry(replica_, entry, outcome);
  return Ok();
}

// With the lock held (or before the threads start).
Status Session::CatchUp(PhaseClock& clock) {
  while (true) {
    const PhaseScope reading(clock, Phase::kJournal);
    NDCAO_ASSIGN(const auto entries,
                 journal_.Read(replica_.next_offset(), kReadAtOnce, std::chrono::milliseconds(0)));
    const PhaseScope folding(clock, Phase::kFold);
    for (const Entry& entry : entries) NDCAO_TRY(FoldEntry(entry));
    if (entries.size() < kReadAtOnce) return Ok();
  }
}

std::shared_ptr<SharedGroup> Session::Lead(TrialId id) {
  auto group =
      std::make_shared<SharedGroup>(replica_.NewTrial(id), replica_.spec().shape.evaluations);
  Claim& claim = claims_[id];
  if (claim.workers++ == 0) claim = {1, Clock::now(), group};
  return group;
}

// In a synchronous run a slot that nobody works on, from one's own first slot on. What other
// processes work on is not known, only which slots are theirs by habit.
std::shared_ptr<SharedGroup> Session::TakeFree(Worker& worker) {
  if (replica_.spec().mode == RunMode::kAsync) {
    return Lead(TrialId::Async(worker.id, worker.counter++));
  }
  const auto slots = static_cast<std::uint32_t>(replica_.spec().shape.slots);
  const std::uint32_t first = owners_.First(worker.id);
  const RoundView view = replica_.round();
  std::optional<std::uint32_t> free;
  for (const std::uint32_t slot : view.open_slots) {
    if (claims_.contains(TrialId::Sync(view.round, slot))) continue;
    if (owners_.LeftToAnother(slot, worker.id) && !Overdue(worker, round_since_)) continue;
    if (!free || (slot + slots - first) % slots < (*free + slots - first) % slots) free = slot;
  }
  return free ? Lead(TrialId::Sync(view.round, *free)) : nullptr;
}

// A group of another thread that is worth joining, joined. Asynchronous threads have groups of
// their own to measure, always.
std::shared_ptr<SharedGroup> Session::JoinGroup() {
  for (const auto& [id, claim] : claims_) {
    if (claim.group->Join()) return claim.group;
  }
  return nullptr;
}

// A slot that another thread takes too long for.
std::shared_ptr<SharedGroup> Session::TakeLate(const Worker& worker) {
  if (worker.last_group.count() == 0) return nullptr;
  const RoundView view = replica_.round();
  for (const std::uint32_t slot : view.open_slots) {
    const TrialId id = TrialId::Sync(view.round, slot);
    const auto claim = claims_.find(id);
    if (claim == claims_.end() || claim->second.workers > 1) continue;
    if (Overdue(worker, claim->second.since)) return Lead(id);
  }
  return nullptr;
}

bool Session::Overdue(const Worker& worker, Clock::time_point since) {
  return Clock::now() - since > kHelpAfter * worker.last_group;
}

void Session::ReleaseTrial(TrialId id) {
  const auto claim = claims_.find(id);
  if (claim != claims_.end() && --claim->second.workers == 0) claims_.erase(claim);
}

double Session::Seconds() const {
  return std::chrono::duration<double>(Clock::now() - start_).count();
}

}  // namespace ndcao
