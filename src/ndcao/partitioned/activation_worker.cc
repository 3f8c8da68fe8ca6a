#include "ndcao/partitioned/activation_worker.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <thread>

#include "ndcao/base/log.h"
#include "ndcao/worker/activation_session.h"

namespace ndcao {
namespace {

constexpr std::uint64_t kMarks = 20;

}  // namespace

SiteTable StageTableOf(const ProbePlan& plan, const StageHead& head) {
  SiteTable table = TableOf(plan);
  for (std::size_t& tensor : table.probed) tensor += head.first_tensor();
  table.elsewhere = head.flow.sites() - head.flow.probed[head.stage - 1];
  return table;
}

ActivationWorker::ActivationWorker(Journal& journal, ActivationReplica& replica,
                                   ActivationStage& network, Channel& channel,
                                   const ActivationStageOptions& options)
    : StageLoop(journal, channel, options),
      replica_(replica),
      network_(network),
      options_(options),
      copies_(options.spec.activation.probes * options.flow.sites()),
      first_copy_(options.spec.activation.probes * options.flow.SitesBefore(options.stage)),
      own_copies_(options.spec.activation.probes * network.probed_sites()),
      ledger_(options.stages),
      kept_digest_(replica.digest()),
      sums_(options.spec.shape.slots),
      heard_at_(Clock::now()),
      patience_(options.patience),
      table_(copies_) {}

void ActivationWorker::BeFirst(const Dataset& data) {
  data_ = &data;
  order_.emplace(options_.spec.seed, data.train().size(), options_.spec.batch);
}

void ActivationWorker::BeLast(const Objective& objective, std::uint64_t classes) {
  classes_ = classes;
  test_sink_.emplace(objective, classes);
}

Status ActivationWorker::FoldEntry(const Entry& entry) {
  ledger_.Take(entry);
  CheckEnd(entry);
  return Ok();
}

Status ActivationWorker::Joined() {
  NDCAO_TRY(CheckFit());
  return AppendKept();
}

// Rows that fit in a message, and what a slot needs.
Status ActivationWorker::CheckFit() const {
  const std::size_t limit = channel_.max_message() - StageMessage::kHeaderBytes;
  const std::size_t slots = options_.spec.shape.slots;
  const std::size_t rows = (options_.spec.batch + slots - 1) / slots;
  const std::size_t row = options_.widest * sizeof(float);
  if (rows * row <= limit) return Ok();
  return Invalid(fmt::format(
      "--batch {} in {} slots: a slot's activations at the widest cut take {} bytes, and the "
      "server "
      "takes messages of at most {}; split with more --slots, or raise the server's max_payload",
      options_.spec.batch, slots, rows * row + StageMessage::kHeaderBytes, channel_.max_message()));
}

Status ActivationWorker::AppendKept() {
  const std::vector<std::uint64_t> kept = options_.kept();
  KeptRecord record;
  record.worker = worker_;
  record.stage = options_.stage;
  record.steps = kept.empty() ? 0 : kept[0];
  record.before = kept.size() < 2 ? 0 : kept[1];
  record.digest = kept_digest_;
  NDCAO_ASSIGN(arrived_, journal_.Append(record));
  return Ok();
}

Result<bool> ActivationWorker::Work() {
  if (ledger_.next_offset() <= arrived_) return false;
  if (generation_ != ledger_.generation()) NDCAO_TRY(GoBack());
  NDCAO_TRY(Advance());
  while (!waiting_.empty() && !ended_ && MayPass(waiting_.front().message)) {
    const Held held = std::move(waiting_.front());
    waiting_.pop_front();
    NDCAO_TRY(Pass(held.message));
    NDCAO_TRY(Advance());
  }
  if (ended_ || data_ == nullptr) return false;
  return SendNext();
}

Status ActivationWorker::GoBack() {
  generation_ = ledger_.generation();
  if (replica_.counters().steps != ledger_.base()) {
    spdlog::info("a stage has come anew: going back to batch {} from {}", ledger_.base(),
                 replica_.counters().steps);
    NDCAO_ASSIGN(replica_, options_.go_back(ledger_.base()));
  }
  if (next_ > 0) ++repeats_;
  network_.Forget();
  loaded_.reset();
  next_ = replica_.counters().steps;
  parts_ = next_slot_ = 0;
  heard_.clear();
  waiting_.clear();
  labels_.clear();
  table_.Clear();
  if (data_ != nullptr) {
    const std::size_t fit =
        (channel_.max_message() - StageMessage::kHeaderBytes) / (options_.widest * sizeof(float));
    test_source_.emplace(*data_, fit);
  }
  heard_at_ = Clock::now();
  for (Held& held : std::exchange(early_, {})) {
    NDCAO_TRY(Handle(held.message, std::move(held.bytes)));
  }
  return Ok();
}

Status ActivationWorker::Handle(const StageMessage& message, std::vector<std::byte> bytes) {
  if (message.attempt < generation_) return Ok();
  if (message.attempt > generation_) {
    early_.push_back({std::move(bytes), message});
    return Ok();
  }
  const SlotName slot{message.trial.value, message.number};
  if (IsActivations(message.kind)) {
    waiting_.push_back({std::move(bytes), message});
  } else if (message.kind == StageMessageKind::kLabels) {
    TakeLabels(message);
  } else if (message.kind == StageMessageKind::kTestBegin && test_sink_) {
    const Status begun = test_sink_->Begin(message);
    if (!begun.ok()) spdlog::warn("a message is dropped: {}", begun.error().message());
  } else if (message.kind == StageMessageKind::kLosses && slot.second < sums_.size()) {
    const std::size_t examples = ExamplesOf(slot.second);
    std::vector<float> values = message.As<float>();
    if (values.size() < (1 + copies_) * examples || values.size() % examples != 0) return Ok();
    heard_[slot] = HeardLosses(std::move(values), examples);
    heard_at_ = Clock::now();
  }
  return Ok();
}

void ActivationWorker::TakeLabels(const StageMessage& message) {
  std::vector<std::int32_t> labels = message.As<std::int32_t>();
  if (message.number >= sums_.size() || labels.size() != ExamplesOf(message.number) ||
      !LabelsExist(labels, classes_)) {
    spdlog::warn("labels that do not exist are dropped");
    return;
  }
  labels_[{message.trial.value, message.number}] = std::move(labels);
}

// The updates that are in a stage's parameters when it passes a batch on, a number that does not
// depend on when anything arrives.
std::uint64_t ActivationWorker::TargetOf(std::uint64_t step) const {
  const std::uint64_t horizon = replica_.horizon();
  if (step >= horizon) return horizon;
  const std::uint64_t late = options_.flow.in_flight - 1;
  return std::max(step > late ? step - late : 0,
                  step / options_.flow.keep_every * options_.flow.keep_every);
}

bool ActivationWorker::AllHeard(std::uint64_t step) const {
  for (std::uint32_t slot = 0; slot < sums_.size(); ++slot) {
    if (!heard_.contains({step, slot})) return false;
  }
  return true;
}

Status ActivationWorker::Advance() {
  while (replica_.counters().steps < TargetOf(next_) && AllHeard(replica_.counters().steps)) {
    NDCAO_TRY(Learn());
  }
  return Ok();
}

ProbeRequest ActivationWorker::RequestOf(const SlotName& slot) const {
  const RunSpec& spec = options_.spec;
  ProbeRequest request = ndcao::RequestOf(spec, slot.first);
  request.first = std::uint64_t{slot.second} * spec.batch / spec.shape.slots;
  return request;
}

std::size_t ActivationWorker::ExamplesOf(std::uint32_t slot) const {
  const RunSpec& spec = options_.spec;
  const auto end = [&spec](std::uint64_t slots) { return slots * spec.batch / spec.shape.slots; };
  return end(slot + 1) - end(slot);
}

Status ActivationWorker::Learn() {
  if (options_.delay.count() > 0) std::this_thread::sleep_for(options_.delay);
  const std::uint64_t step = replica_.counters().steps;
  const LearnedSoFar learned(replica_);
  for (std::uint32_t i = 0; i < sums_.size(); ++i) {
    const SlotName slot{step, i};
    ProbeRequest request = RequestOf(slot);
    learned.AddTo(request);
    const auto heard = heard_.extract(slot);
    NDCAO_TRY(
        network_.Learn(request, heard.mapped().For(first_copy_, own_copies_, copies_), sums_[i]));
    sums_[i].forwards = ExamplesOf(i) * (1 + copies_);
    labels_.erase(slot);
  }
  SerialExecutor executor;
  replica_.Observe(sums_, executor);
  NDCAO_TRY(replica_.CheckLosses());
  if (options_.on_step) options_.on_step(replica_);
  if (test_sink_) NDCAO_TRY(AppendMark());
  if (replica_.counters().steps % options_.flow.keep_every != 0 && !replica_.done()) return Ok();
  NDCAO_TRY(options_.keep(replica_));
  kept_digest_ = replica_.digest();
  return AppendKept();
}

// How far the run has come, for people who look at the journal.
Status ActivationWorker::AppendMark() {
  const std::uint64_t every = std::max<std::uint64_t>(1, replica_.horizon() / kMarks);
  if (replica_.counters().steps % every != 0) return Ok();
  MarkRecord mark;
  mark.worker = worker_;
  mark.at = next_offset();
  mark.image_forwards = replica_.counters().image_forwards;
  mark.seconds = Seconds();
  mark.train_loss = static_cast<float>(replica_.train_loss());
  mark.test_loss = mark.test_accuracy = NAN;
  NDCAO_TRY(journal_.Append(mark));
  return Ok();
}

}  // namespace ndcao
