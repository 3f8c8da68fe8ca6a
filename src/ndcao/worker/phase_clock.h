// Where a worker thread's time goes. A clock is always in one phase, so the phases add up to the
// time of the thread's loop; a change of phase costs one reading of the steady clock (about 30 ns).
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <string_view>

namespace ndcao {

enum class Phase {
  kPerturb,   ///< Writing θ and its perturbed copies for the evaluator.
  kForward,   ///< Forward passes and their losses.
  kExamples,  ///< Drawing, screening (but not its forward passes) and gathering examples.
  kFold,      ///< Observing groups and moving θ.
  kLesson,    ///< Probing activations: what losses teach the blocks, and their outer products.
  kJournal,   ///< Appending and reading records.
  kWait,  ///< For a slot of the round, helping with a fold meanwhile; or for another thread's part.
  kOther,  ///< Taking trials, waiting for the replica's lock.
};
inline constexpr std::size_t kPhases = 8;

/// "perturb", "forward", …
std::string_view PhaseName(Phase phase);

/// Seconds in each phase, by Phase.
using PhaseSeconds = std::array<double, kPhases>;

class PhaseClock {
 public:
  /// Starts counting, in kOther.
  void Start();
  /// Ends the phase that goes on and begins another; returns the former.
  Phase Enter(Phase phase);
  /// As counted up to the last Enter.
  const PhaseSeconds& seconds() const { return seconds_; }

 private:
  Phase phase_ = Phase::kOther;
  std::chrono::steady_clock::time_point since_ = std::chrono::steady_clock::now();
  PhaseSeconds seconds_{};
};

/// A phase for as long as this lives; then the one before goes on.
class PhaseScope {
 public:
  PhaseScope(PhaseClock& clock, Phase phase) : clock_(clock), before_(clock.Enter(phase)) {}
  ~PhaseScope() { clock_.Enter(before_); }
  PhaseScope(const PhaseScope&) = delete;
  PhaseScope& operator=(const PhaseScope&) = delete;

 private:
  PhaseClock& clock_;
  Phase before_;
};

}  // namespace ndcao
