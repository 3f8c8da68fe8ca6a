#include "ndcao/partitioned/stage_worker.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <thread>

#include "ndcao/base/log.h"
#include "ndcao/replica/check_finite.h"

namespace ndcao {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kReadAtOnce = 256;
// How long the channel is listened to when there is nothing to do.
constexpr milliseconds kIdle{1};
// Messages taken before the journal is looked at again.
constexpr int kAtOnce = 64;
// A message of a round that the journal does not reach in this time is dropped; it comes again.
constexpr milliseconds kRoundComes{5000};

}  // namespace

StageWorker::StageWorker(Journal& journal, Replica& replica, StageNetwork& network,
                         Channel& channel, StageOptions options)
    : journal_(journal),
      replica_(replica),
      options_(std::move(options)),
      channel_(channel),
      forward_(replica, network),
      sender_(channel, options_.stage, options_.stages) {}

void StageWorker::BeFirst(const Dataset& data) { data_ = &data; }

void StageWorker::BeLast(const Objective& objective, std::uint64_t classes) {
  sink_.emplace(replica_.spec(), objective, classes);
}

Result<StageResult> StageWorker::Run() {
  start_ = Clock::now();
  NDCAO_TRY(CatchUp(milliseconds(0)));
  if (!ended_) NDCAO_TRY(Join());
  StageResult result;
  while (!ended_) {
    if (options_.stop_requested && options_.stop_requested()) {
      result.cancelled = true;
      break;
    }
    NDCAO_TRY(Step());
  }
  result.score = score_;
  result.seconds = Seconds();
  result.traffic = sender_.traffic();
  if (source_) result.repeats = source_->repeats();
  return result;
}

// One's number is the count of joins before one's own.
Status StageWorker::Join() {
  NDCAO_ASSIGN(const Offset joined, journal_.Append(JoinRecord{options_.name}));
  while (replica_.next_offset() <= joined) {
    NDCAO_ASSIGN(const auto entries, journal_.Read(replica_.next_offset(), 1, milliseconds(100)));
    if (!entries.empty() && replica_.next_offset() == joined) worker_ = replica_.joins();
    for (const Entry& entry : entries) NDCAO_TRY(FoldEntry(entry));
  }
  if (data_ != nullptr) {
    NDCAO_ASSIGN(source_, TrialSource::Create(replica_, *data_, forward_, sender_, worker_,
                                              options_.widest, options_.pace));
  }
  if (options_.on_join) options_.on_join(worker_);
  return Ok();
}

Status StageWorker::Step() {
  if (options_.tick) NDCAO_TRY(options_.tick());
  NDCAO_TRY(CatchUp(milliseconds(0)));
  NDCAO_ASSIGN(const bool busy, SendNext());
  milliseconds wait = busy || ended_ ? milliseconds(0) : kIdle;
  for (int i = 0; i < kAtOnce && !ended_; ++i) {
    NDCAO_ASSIGN(const auto bytes, channel_.Receive(wait));
    if (!bytes) break;
    NDCAO_TRY(Handle(*bytes));
    wait = milliseconds(0);
  }
  return Ok();
}

// The first stage sends while everybody is there.
Result<bool> StageWorker::SendNext() {
  if (!source_ || ended_) return false;
  const StagePeers peers = options_.peers();
  if (peers.epoch == 0) return false;
  if (peers.epoch != epoch_ && epoch_ != 0) source_->SendAllAgain();
  epoch_ = peers.epoch;
  return source_->Send(peers.last_worker);
}

Status StageWorker::CatchUp(milliseconds wait) {
  while (!ended_) {
    NDCAO_ASSIGN(const auto entries, journal_.Read(replica_.next_offset(), kReadAtOnce, wait));
    for (const Entry& entry : entries) NDCAO_TRY(FoldEntry(entry));
    if (entries.size() < kReadAtOnce) break;
  }
  return Ok();
}

Status StageWorker::FoldEntry(const Entry& entry) {
  if (const auto* group = std::get_if<GroupRecord>(&entry.record)) {
    // Before the fold, so that no version of θ is kept that nobody needs.
    forward_.Forget(group->trial);
    if (source_) source_->Forget(group->trial);
    if (sink_) sink_->Forget(group->trial);
  } else if (const auto* mark = std::get_if<MarkRecord>(&entry.record)) {
    ended_ = ended_ || mark->note == options_.end_note;
  }
  SerialExecutor executor;
  NDCAO_TRY(replica_.Apply(entry, executor));
  for (const std::string& decision : replica_.TakeDecisions()) spdlog::info("{}", decision);
  if (options_.on_entry) options_.on_entry(replica_, entry);
  return Ok();
}

Status StageWorker::Handle(std::span<const std::byte> bytes) {
  const Result<StageMessage> decoded = DecodeStageMessage(bytes);
  if (!decoded.ok()) {
    spdlog::warn("a message is dropped: {}", decoded.error().message());
    return Ok();
  }
  const StageMessage& message = decoded.value();
  if (IsActivations(message.kind)) {
    return sender_.is_first() ? Ok() : TakeActivations(message);
  }
  if (source_ &&
      (message.kind == StageMessageKind::kChosen || message.kind == StageMessageKind::kArrived)) {
    source_->Take(message);
  } else if (sink_) {
    const Status begun = sink_->Begin(message);
    if (!begun.ok()) spdlog::warn("a message is dropped: {}", begun.error().message());
  }
  return Ok();
}

// A synchronous message may be ahead of the journal, which then arrives presently.
Status StageWorker::AwaitRound(const StageMessage& message) {
  const auto deadline = Clock::now() + kRoundComes;
  while (forward_.IsEarly(message) && !ended_ && Clock::now() < deadline) {
    if (options_.stop_requested && options_.stop_requested()) break;
    NDCAO_TRY(CatchUp(milliseconds(20)));
  }
  return Ok();
}

Status StageWorker::TakeActivations(const StageMessage& message) {
  NDCAO_TRY(AwaitRound(message));
  if (ended_ || forward_.IsEarly(message)) return Ok();
  if (options_.delay.count() > 0 && message.trial != delayed_) {
    delayed_ = message.trial;
    std::this_thread::sleep_for(options_.delay);
  }
  const std::vector<float> input = message.As<float>();
  auto outputs = forward_.Run(message, input);
  if (!outputs.ok()) {
    spdlog::warn("activations are dropped: {}", outputs.error().message());
    return Ok();
  }
  if (!outputs.value()) return Ok();
  if (sink_) return Answer(message, *outputs.value());
  return sender_.PassOn(message, *outputs.value(),
                        static_cast<std::uint32_t>(outputs.value()->size() / options_.outputs));
}

Status StageWorker::Answer(const StageMessage& message, std::span<const float> outputs) {
  Result<LossSink::Answer> taken = sink_->Take(message, outputs);
  if (!taken.ok()) {
    spdlog::warn("outputs are dropped: {}", taken.error().message());
    return Ok();
  }
  LossSink::Answer answer = std::move(taken).value();
  if (!answer.chosen.empty()) {
    NDCAO_TRY(sender_.TellFirst({StageMessageKind::kChosen, 0, message.attempt, message.trial,
                                 std::as_bytes(std::span(answer.chosen))}));
  }
  const std::byte kind{static_cast<std::uint8_t>(message.kind)};
  NDCAO_TRY(sender_.TellFirst({StageMessageKind::kArrived, message.number, message.attempt,
                               message.trial, std::span(&kind, 1)}));
  if (answer.group) NDCAO_TRY(AppendGroup(std::move(*answer.group)));
  if (answer.score) NDCAO_TRY(EndRun(*answer.score));
  return Ok();
}

Status StageWorker::AppendGroup(GroupRecord group) {
  group.worker = group.trial.is_async() ? group.trial.worker() : worker_;
  NDCAO_TRY(journal_.Append(group));
  NDCAO_TRY(CatchUp(milliseconds(0)));
  return CheckFinite(replica_.counters());
}

Status StageWorker::EndRun(const Score& score) {
  score_ = score;
  MarkRecord mark;
  mark.worker = worker_;
  mark.at = replica_.next_offset();
  mark.image_forwards = replica_.counters().image_forwards;
  mark.seconds = Seconds();
  mark.train_loss = NAN;
  mark.test_loss = static_cast<float>(score.loss);
  mark.test_accuracy = static_cast<float>(score.accuracy);
  mark.note = options_.end_note;
  NDCAO_TRY(journal_.Append(mark));
  return CatchUp(milliseconds(1000));
}

double StageWorker::Seconds() const {
  return std::chrono::duration<double>(Clock::now() - start_).count();
}

}  // namespace ndcao
