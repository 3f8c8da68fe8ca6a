#include "ndcao/worker/phase_clock.h"

#include <gtest/gtest.h>

#include <numeric>
#include <thread>

namespace ndcao {
namespace {

double Of(const PhaseClock& clock, Phase phase) {
  return clock.seconds()[static_cast<std::size_t>(phase)];
}

void Sleep() { std::this_thread::sleep_for(std::chrono::milliseconds(10)); }

TEST(PhaseClockTest, ScopesNestAndEverythingIsCountedOnce) {
  PhaseClock clock;
  const auto begin = std::chrono::steady_clock::now();
  clock.Start();
  {
    const PhaseScope fold(clock, Phase::kFold);
    Sleep();
    {
      const PhaseScope journal(clock, Phase::kJournal);
      Sleep();
    }
    Sleep();
  }
  Sleep();
  clock.Enter(Phase::kOther);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  EXPECT_GE(Of(clock, Phase::kFold), 0.02);
  EXPECT_GE(Of(clock, Phase::kJournal), 0.01);
  EXPECT_GE(Of(clock, Phase::kOther), 0.01);
  EXPECT_EQ(Of(clock, Phase::kForward), 0);
  const PhaseSeconds& all = clock.seconds();
  // The two clocks are read one after another; a preemption between them may last a while.
  EXPECT_NEAR(std::accumulate(all.begin(), all.end(), 0.0), took.count(), 0.5 * took.count());
  EXPECT_LE(std::accumulate(all.begin(), all.end(), 0.0), took.count());
}

TEST(PhaseClockTest, StartForgetsWhatWasBefore) {
  PhaseClock clock;
  clock.Enter(Phase::kForward);
  Sleep();
  clock.Start();
  clock.Enter(Phase::kOther);
  EXPECT_EQ(Of(clock, Phase::kForward), 0);
}

TEST(PhaseClockTest, EveryPhaseHasAName) {
  for (std::size_t p = 0; p < kPhases; ++p) EXPECT_FALSE(PhaseName(static_cast<Phase>(p)).empty());
}

}  // namespace
}  // namespace ndcao
