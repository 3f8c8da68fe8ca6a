#include "ndcao/partitioned/stage_forward.h"

#include <algorithm>

namespace ndcao {
namespace {

// Trials under way are a few; more are left over from a life of the first stage.
constexpr std::size_t kMostTrials = 256;

}  // namespace

bool StageForward::IsEarly(const StageMessage& message) const {
  if (message.kind == StageMessageKind::kTest) return !replica_.done();
  return !message.trial.is_async() && message.trial.round() > replica_.round().round;
}

bool StageForward::IsLate(TrialId trial) const {
  const bool async = replica_.spec().mode == RunMode::kAsync;
  if (trial.is_async() != async || replica_.done()) return true;
  return !async && trial.round() < replica_.round().round;
}

const Trial* StageForward::Pin(TrialId trial, std::uint32_t attempt) {
  if (IsLate(trial)) return nullptr;
  const auto found = active_.find(trial);
  if (found != active_.end() && attempt < found->second.attempt) return nullptr;
  if (found != active_.end() && attempt == found->second.attempt) return &found->second.trial;
  if (active_.size() >= kMostTrials) active_.erase(active_.begin());
  Active& active = active_[trial];
  active = {attempt, replica_.NewTrial(trial)};
  return &active.trial;
}

// Writes the parameters that the message's forward pass reads.
bool StageForward::Load(const StageMessage& message) {
  const std::span<float> parameters = network_.parameters();
  const bool evaluation = message.kind == StageMessageKind::kEvaluate;
  const Loaded wanted = {message.trial, message.attempt, evaluation,
                         evaluation ? message.number : std::uint16_t{0}};
  if (message.kind == StageMessageKind::kTest) {
    if (loaded_ != wanted) std::ranges::copy(*replica_.parameters(), parameters.begin());
  } else {
    const Trial* trial = Pin(message.trial, message.attempt);
    if (trial == nullptr) return false;
    if (evaluation && message.number >= replica_.spec().shape.evaluations) return false;
    if (evaluation && loaded_ != wanted) trial->Materialize(message.number, parameters);
    if (!evaluation && loaded_ != wanted) std::ranges::copy(*trial->point, parameters.begin());
  }
  loaded_ = wanted;
  return true;
}

Result<std::optional<std::span<const float>>> StageForward::Run(const StageMessage& message,
                                                                std::span<const float> input) {
  using Outputs = std::optional<std::span<const float>>;
  if (!Load(message)) return Outputs();
  NDCAO_ASSIGN(const std::span<const float> outputs, network_.Forward(input));
  return Outputs(outputs);
}

}  // namespace ndcao
