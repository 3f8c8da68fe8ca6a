#include "ndcao/worker/phase_clock.h"

namespace ndcao {

std::string_view PhaseName(Phase phase) {
  constexpr std::array<std::string_view, kPhases> kNames = {
      "perturb", "forward", "examples", "fold", "lesson", "journal", "wait", "other"};
  return kNames[static_cast<std::size_t>(phase)];
}

void PhaseClock::Start() {
  phase_ = Phase::kOther;
  since_ = std::chrono::steady_clock::now();
  seconds_ = {};
}

Phase PhaseClock::Enter(Phase phase) {
  const auto now = std::chrono::steady_clock::now();
  seconds_[static_cast<std::size_t>(phase_)] += std::chrono::duration<double>(now - since_).count();
  since_ = now;
  const Phase before = phase_;
  phase_ = phase;
  return before;
}

}  // namespace ndcao
