#include "ndcao/partitioned/trial_source.h"

#include <fmt/format.h>

#include <algorithm>

#include "ndcao/base/log.h"
#include "ndcao/data/sampler.h"
#include "ndcao/worker/choose_examples.h"

namespace ndcao {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLongestPatience{30000};
constexpr std::uint32_t kMostSendings = 0xffff;  // in a life

}  // namespace

Result<TrialSource> TrialSource::Create(const Replica& replica, const Dataset& data,
                                        StageForward& forward, StageSender& sender, WorkerId worker,
                                        std::uint64_t widest, const Pace& pace) {
  const RunSpec& spec = replica.spec();
  const std::size_t limit = sender.channel().max_message();
  const std::size_t fit = (limit - StageMessage::kHeaderBytes) / (widest * sizeof(float));
  if (fit < spec.batch) {
    return Invalid(fmt::format(
        "--batch {}: its activations at the widest cut take {} bytes, and the server takes "
        "messages "
        "of at most {}; split with --batch {} or less, or raise the server's max_payload",
        spec.batch, StageMessage::kHeaderBytes + spec.batch * widest * sizeof(float), limit,
        std::max<std::size_t>(1, fit)));
  }
  const std::size_t rows =
      spec.screening == 0 ? spec.batch : std::max<std::size_t>(kScreeningBatch, spec.batch);
  return TrialSource(replica, data, forward, sender, worker,
                     static_cast<std::uint32_t>(std::min(rows, fit)), pace);
}

TrialSource::TrialSource(const Replica& replica, const Dataset& data, StageForward& forward,
                         StageSender& sender, WorkerId worker, std::uint32_t rows, const Pace& pace)
    : replica_(&replica),
      data_(&data),
      forward_(&forward),
      sender_(&sender),
      worker_(worker),
      rows_(rows),
      pace_(pace),
      test_(data, rows),
      heard_(Clock::now()),
      patience_(pace.patience) {}

// Greater than any before, in this life and those before: a life's number is its position among
// the journal's joins.
std::uint32_t TrialSource::attempt() const { return worker_ << 16 | sendings_; }

// Never less than before, which the other stages would pass over as old.
void TrialSource::NextAttempt() { sendings_ = std::min(sendings_ + 1, kMostSendings); }

void TrialSource::AddTrial(TrialId id) {
  const RunSpec& spec = replica_->spec();
  Outgoing& trial = trials_[id];
  trial.attempt = attempt();
  trial.pool.resize(std::size_t{spec.batch} * std::max(1u, spec.screening));
  DrawExamples(spec.seed, id, data_->train().size(), trial.pool);
}

// As many trials as a round has slots.
void TrialSource::BeginTrials(WorkerId last_worker) {
  const RunSpec& spec = replica_->spec();
  if (replica_->done()) {
    // Asynchronous trials that come too late for the budget are answered by nobody.
    if (!trials_.empty()) under_way_.clear();
    trials_.clear();
    return;
  }
  if (spec.mode == RunMode::kSync) {
    const RoundView view = replica_->round();
    if (view.round != round_) added_.clear();
    round_ = view.round;
    for (const std::uint32_t slot : view.open_slots) {
      const TrialId id = TrialId::Sync(view.round, slot);
      if (trials_.contains(id)) continue;
      if (!added_.insert(id).second) NextAttempt();  // its record counted for nothing
      AddTrial(id);
    }
  } else if (trials_.size() < spec.shape.slots) {
    // Other lives count from elsewhere.
    AddTrial(TrialId::Async(last_worker, std::uint64_t{worker_ & 0xffff} << 24 | counter_++));
  }
}

Result<bool> TrialSource::Send(WorkerId last_worker) {
  CheckTime();
  BeginTrials(last_worker);
  if (under_way_.size() >= pace_.window) return false;
  if (under_way_.empty() && trials_.empty()) heard_ = Clock::now();
  if (replica_->done()) return SendTest();
  for (auto& [id, trial] : trials_) {
    NDCAO_ASSIGN(const bool sent, SendNext(id, trial));
    if (sent) return true;
  }
  return false;
}

Status TrialSource::TellBegin(TrialId id, Outgoing& trial) {
  const Trial* pinned = forward_->Pin(id, trial.attempt);
  if (pinned == nullptr) return Ok();
  TrialBegin begin{pinned->base, pinned->base_chain, rows_, {}};
  for (const std::uint32_t example : trial.pool) {
    begin.labels.push_back(data_->train().labels[example]);
  }
  const std::vector<std::byte> payload = begin.Encode();
  trial.begun = true;
  return sender_->TellLast({StageMessageKind::kBegin, 0, trial.attempt, id, payload});
}

// The next message of one trial: a piece of its pool, or, once its examples are known, an
// evaluation.
Result<bool> TrialSource::SendNext(TrialId id, Outgoing& trial) {
  const RunSpec& spec = replica_->spec();
  if (!trial.begun) NDCAO_TRY(TellBegin(id, trial));
  if (!trial.begun) return false;
  const std::size_t first = std::size_t{trial.next_piece} * rows_;
  const bool centre = spec.screening > 0 || spec.shape.centre;
  if (centre && first < trial.pool.size()) {
    const std::size_t count = std::min<std::size_t>(rows_, trial.pool.size() - first);
    NDCAO_TRY(SendRows({StageMessageKind::kPool, trial.next_piece++, trial.attempt, id, {}},
                       data_->train(), std::span(trial.pool).subspan(first, count)));
    return true;
  }
  if (spec.screening == 0) trial.chosen = trial.pool;
  if (trial.chosen.empty() || trial.next_evaluation >= spec.shape.evaluations) return false;
  NDCAO_TRY(SendRows({StageMessageKind::kEvaluate, trial.next_evaluation++, trial.attempt, id, {}},
                     data_->train(), trial.chosen));
  return true;
}

Result<bool> TrialSource::SendTest() {
  NDCAO_ASSIGN(const auto piece, test_.Next(*sender_, attempt()));
  if (!piece) return false;
  NDCAO_TRY(SendRows(piece->header, data_->test(), piece->examples));
  return true;
}

Status TrialSource::SendRows(StageMessage header, const Examples& part,
                             std::span<const std::uint32_t> examples) {
  input_.resize(examples.size() * data_->features());
  data_->Gather(part, examples, input_);
  NDCAO_ASSIGN(const auto outputs, forward_->Run(header, input_));
  if (!outputs) return Ok();
  under_way_.emplace(header.trial, header.kind, header.number);
  return sender_->PassOn(header, *outputs, static_cast<std::uint32_t>(examples.size()));
}

void TrialSource::Take(const StageMessage& message) {
  heard_ = Clock::now();
  patience_ = pace_.patience;
  if (message.kind == StageMessageKind::kArrived) {
    const auto kind = static_cast<StageMessageKind>(std::to_integer<int>(message.payload[0]));
    under_way_.erase({message.trial, kind, message.number});
    return;
  }
  const auto found = trials_.find(message.trial);
  if (found == trials_.end() || found->second.attempt != message.attempt) return;
  std::vector<std::uint32_t> chosen;
  for (const std::uint32_t position : message.As<std::uint32_t>()) {
    if (position >= found->second.pool.size()) return;
    chosen.push_back(found->second.pool[position]);
  }
  if (chosen.size() == replica_->spec().batch) found->second.chosen = std::move(chosen);
}

void TrialSource::Forget(TrialId trial) {
  trials_.erase(trial);
  std::erase_if(under_way_, [trial](const Sent& sent) { return std::get<0>(sent) == trial; });
  heard_ = Clock::now();
}

void TrialSource::SendAllAgain() {
  repeats_ += trials_.size();
  NextAttempt();
  for (auto& [id, trial] : trials_) {
    trial.attempt = attempt();
    trial.begun = false;
    trial.chosen.clear();
    trial.next_piece = trial.next_evaluation = 0;
  }
  test_.Restart();
  under_way_.clear();
  heard_ = Clock::now();
}

void TrialSource::CheckTime() {
  const bool waits = !under_way_.empty() || !trials_.empty() || test_.begun();
  if (!waits || Clock::now() - heard_ < patience_) return;
  spdlog::debug("no answer from the last stage for {} ms: sending again", patience_.count());
  SendAllAgain();
  patience_ = std::min(2 * patience_, kLongestPatience);
}

}  // namespace ndcao
