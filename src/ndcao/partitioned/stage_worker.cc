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

// A message of a round that the journal does not reach in this time is dropped; it comes again.
constexpr milliseconds kRoundComes{5000};

}  // namespace

StageWorker::StageWorker(Journal& journal, Replica& replica, StageNetwork& network,
                         Channel& channel, const StageOptions& options)
    : StageLoop(journal, channel, options),
      replica_(replica),
      options_(options),
      forward_(replica, network) {}

void StageWorker::BeFirst(const Dataset& data) { data_ = &data; }

void StageWorker::BeLast(const Objective& objective, std::uint64_t classes) {
  sink_.emplace(replica_.spec(), objective, classes);
}

Status StageWorker::Joined() {
  if (data_ == nullptr) return Ok();
  NDCAO_ASSIGN(source_, TrialSource::Create(replica_, *data_, forward_, sender_, worker_,
                                            options_.widest, options_.pace));
  return Ok();
}

// The first stage sends while everybody is there.
Result<bool> StageWorker::Work() {
  if (!source_) return false;
  const StagePeers peers = options_.peers();
  if (peers.epoch == 0) return false;
  if (peers.epoch != epoch_ && epoch_ != 0) source_->SendAllAgain();
  epoch_ = peers.epoch;
  return source_->Send(peers.last_worker);
}

Status StageWorker::FoldEntry(const Entry& entry) {
  if (const auto* group = std::get_if<GroupRecord>(&entry.record)) {
    // Before the fold, so that no version of θ is kept that nobody needs.
    forward_.Forget(group->trial);
    if (source_) source_->Forget(group->trial);
    if (sink_) sink_->Forget(group->trial);
  }
  CheckEnd(entry);
  SerialExecutor executor;
  NDCAO_TRY(replica_.Apply(entry, executor));
  for (const std::string& decision : replica_.TakeDecisions()) spdlog::info("{}", decision);
  if (options_.on_entry) options_.on_entry(replica_, entry);
  return Ok();
}

Status StageWorker::Handle(const StageMessage& message, std::vector<std::byte> /*bytes*/) {
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
    if (StopRequested()) break;
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
  if (answer.score) {
    NDCAO_TRY(EndRun(*answer.score, replica_.counters().image_forwards));
  }
  return Ok();
}

Status StageWorker::AppendGroup(GroupRecord group) {
  group.worker = group.trial.is_async() ? group.trial.worker() : worker_;
  NDCAO_TRY(journal_.Append(group));
  NDCAO_TRY(CatchUp(milliseconds(0)));
  return CheckFinite(replica_.counters());
}

}  // namespace ndcao
