// How batches pass through a stage: the part of ActivationWorker that sends.
#include <algorithm>

#include "ndcao/base/log.h"
#include "ndcao/partitioned/activation_worker.h"

namespace ndcao {
namespace {

constexpr std::chrono::milliseconds kLongestPatience{600000};

}  // namespace

// In its turn, at the parameters that belong to it.
bool ActivationWorker::MayPass(const StageMessage& message) const {
  if (message.kind == StageMessageKind::kTest) return replica_.done();
  if (message.trial.value < next_) return true;
  if (message.trial.value > next_ || replica_.counters().steps < TargetOf(next_)) return false;
  return !test_sink_ || message.kind != StageMessageKind::kClean ||
         labels_.contains({message.trial.value, message.number});
}

// A batch is measured where the parameters will be when it is learned from, as far as a stage can
// tell: gradients that are a batch late cost Adam more than a point (docs/results.md).
void ActivationWorker::LoadParameters() {
  const std::uint64_t steps = replica_.counters().steps;
  const std::pair<std::uint64_t, std::uint64_t> wanted{steps, replica_.done() ? 0 : next_ - steps};
  if (loaded_ == wanted) return;
  std::ranges::copy(replica_.Ahead(wanted.second), network_.parameters().begin());
  loaded_ = wanted;
}

// What does not fit (a message before it was lost) is dropped: stage 1 hears nothing, and all go
// back.
Status ActivationWorker::Pass(const StageMessage& message) {
  if (message.kind == StageMessageKind::kTest) return PassTest(message);
  if (message.trial.value < next_) return Ok();
  const std::uint64_t step = message.trial.value;
  const std::vector<float> input = message.As<float>();
  const bool clean = message.kind == StageMessageKind::kClean;
  if (!clean && message.kind != StageMessageKind::kCopy) return Ok();
  const std::uint32_t copies = clean ? 1 : std::max(copies_, 1u);
  const std::uint32_t copy = message.number % copies;
  const SlotName slot{step, message.number / copies};
  if (slot.second >= sums_.size() || (!clean && copy >= first_copy_)) return Ok();
  if (input.size() != ExamplesOf(slot.second) * network_.inputs()) {
    spdlog::warn("activations are dropped: {} values for {} examples of {}", input.size(),
                 ExamplesOf(slot.second), network_.inputs());
    return Ok();
  }
  if (clean) {
    NDCAO_TRY(BeginSlot(slot, input));
    CountPart();
    return Ok();
  }
  LoadParameters();
  const auto outputs = network_.Pass(RequestOf(slot), input);
  if (!outputs.ok()) {
    spdlog::warn("activations are dropped: {}", outputs.error().message());
    return Ok();
  }
  NDCAO_TRY(HandOn(slot, copy, outputs.value()));
  CountPart();
  return Ok();
}

Status ActivationWorker::PassTest(const StageMessage& message) {
  LoadParameters();
  const auto outputs = network_.Forward(message.As<float>());
  if (!outputs.ok()) {
    spdlog::warn("activations are dropped: {}", outputs.error().message());
    return Ok();
  }
  if (!test_sink_) {
    return sender_.PassOn(message, outputs.value(),
                          static_cast<std::uint32_t>(outputs.value().size() / options_.outputs));
  }
  const auto score = test_sink_->Take(message, outputs.value());
  return score ? EndRun(*score, replica_.counters().image_forwards) : Ok();
}

Status ActivationWorker::BeginSlot(const SlotName& slot, std::span<const float> input) {
  const ProbeRequest request = RequestOf(slot);
  const std::size_t examples = ExamplesOf(slot.second);
  LoadParameters();
  auto outputs = network_.Begin(request, input, labels_[slot]);
  if (!outputs.ok()) {
    spdlog::warn("activations are dropped: {}", outputs.error().message());
    return Ok();
  }
  // Strict blocks are not told what the loss does at perturbed outputs.
  if (test_sink_ && !request.learned) outputs = outputs.value().first(examples);
  NDCAO_TRY(HandOn(slot, {}, outputs.value()));
  for (std::uint32_t i = 0; i < own_copies_; ++i) {
    NDCAO_ASSIGN(const auto copy, network_.Copy(request, i));
    NDCAO_TRY(HandOn(slot, first_copy_ + i, copy));
  }
  return Ok();
}

// To the next stage; the last keeps losses until they are complete.
Status ActivationWorker::HandOn(const SlotName& slot, std::optional<std::uint32_t> copy,
                                std::span<const float> outputs) {
  if (test_sink_) {
    if (copy) {
      table_.PutCopy(slot, *copy, outputs);
    } else {
      table_.PutClean(slot, outputs, ExamplesOf(slot.second));
    }
    return TellLosses(slot);
  }
  StageMessage message;
  message.kind = copy ? StageMessageKind::kCopy : StageMessageKind::kClean;
  message.number = static_cast<std::uint16_t>(copy ? slot.second * copies_ + *copy : slot.second);
  message.attempt = generation_;
  message.trial = {slot.first};
  return sender_.PassOn(message, outputs, static_cast<std::uint32_t>(ExamplesOf(slot.second)));
}

Status ActivationWorker::TellLosses(const SlotName& slot) {
  auto losses = table_.Take(slot);
  if (!losses) return Ok();
  NDCAO_TRY(sender_.TellOthers({StageMessageKind::kLosses,
                                static_cast<std::uint16_t>(slot.second),
                                generation_,
                                {slot.first},
                                std::as_bytes(std::span<const float>(*losses))}));
  heard_[slot] = HeardLosses(std::move(*losses), ExamplesOf(slot.second));
  return Ok();
}

// When all parts of a batch have been passed on, the next one's turn has come.
void ActivationWorker::CountPart() {
  if (++parts_ < sums_.size() * (1 + first_copy_)) return;
  parts_ = 0;
  ++next_;
}

// The first stage sends while everybody is there.
Result<bool> ActivationWorker::SendNext() {
  if (options_.peers().epoch == 0) {
    heard_at_ = Clock::now();
    return false;
  }
  if (replica_.done()) {
    NDCAO_ASSIGN(const bool sent, SendTest());
    if (!sent) NDCAO_TRY(CheckTime());
    return sent;
  }
  if (next_ >= replica_.horizon() || replica_.counters().steps < TargetOf(next_)) {
    NDCAO_TRY(CheckTime());
    return false;
  }
  if (next_ == replica_.counters().steps) heard_at_ = Clock::now();
  NDCAO_TRY(SendSlot({next_, next_slot_}));
  next_slot_ = (next_slot_ + 1) % static_cast<std::uint32_t>(sums_.size());
  CountPart();
  return true;
}

Status ActivationWorker::SendSlot(const SlotName& slot) {
  const auto examples =
      order_->At(slot.first).subspan(RequestOf(slot).first, ExamplesOf(slot.second));
  std::vector<std::int32_t> labels;
  for (const std::uint32_t example : examples) labels.push_back(data_->train().labels[example]);
  NDCAO_TRY(sender_.TellLast({StageMessageKind::kLabels,
                              static_cast<std::uint16_t>(slot.second),
                              generation_,
                              {slot.first},
                              std::as_bytes(std::span(labels))}));
  std::vector<float> input(examples.size() * data_->features());
  data_->Gather(data_->train(), examples, input);
  return BeginSlot(slot, input);
}

Result<bool> ActivationWorker::SendTest() {
  NDCAO_ASSIGN(const auto piece, test_source_->Next(sender_, generation_));
  if (!piece) return false;
  std::vector<float> input(piece->examples.size() * data_->features());
  data_->Gather(data_->test(), piece->examples, input);
  LoadParameters();
  NDCAO_ASSIGN(const auto outputs, network_.Forward(input));
  heard_at_ = Clock::now();
  NDCAO_TRY(
      sender_.PassOn(piece->header, outputs, static_cast<std::uint32_t>(piece->examples.size())));
  return true;
}

// A message was lost, as they are while the server is away: joining anew sends everybody back.
Status ActivationWorker::CheckTime() {
  if (Clock::now() - heard_at_ < patience_) return Ok();
  spdlog::warn("no losses from the last stage for {} s: all stages go back to what they have kept",
               patience_.count() / 1000);
  patience_ = std::min(2 * patience_, kLongestPatience);
  return Join();
}

}  // namespace ndcao
