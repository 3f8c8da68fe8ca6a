// The rate schedule that all optimizers of weights share, so that comparisons are between methods
// and not between schedules.
#pragma once

#include <algorithm>
#include <cmath>

namespace ndcao {

/// sqrt(1 − t/T), after a linear warm-up over the first 2 % of the horizon; 0 at its end.
inline double RateSchedule(double time, double horizon) {
  if (!(time < horizon)) return 0;
  return std::min(1.0, (time + 1) / (0.02 * horizon)) * std::sqrt(1 - time / horizon);
}

}  // namespace ndcao
