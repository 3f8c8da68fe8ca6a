// Whether two measurements of one group say the same thing.
#pragma once

#include <span>

namespace ndcao {

/// The losses of one group as somebody measured them.
struct MeasuredGroup {
  float centre = 0;  ///< NaN if it was not measured.
  std::span<const float> losses;
};

/// True unless one of the two would teach the blocks something else than the other.
///
/// Machines differ in the last bits, and a last bit may even swap one screened example for another.
/// So the rule is about what blocks learn from: the losses' differences among each other, measured
/// by the losses' own spread s (their standard deviation; always the smaller of the two, so that
/// nobody widens the tolerance by what he claims), and their level, the mean with the centre.
///
/// - Shape: the root mean square of (a_k − mean a) − (b_k − mean b) is at most s. For equal spreads
///   that is a correlation of ½ or more. Independent losses are √2 s apart, reversed ones 2 s.
/// - Level: the means, and the centres, are at most the largest of half the smaller level and 4 s
///   apart.
///
/// Differences below 1e-5 of the level are rounding. Only evaluations that are finite in both are
/// compared; if these are fewer than 7/8 of the finite ones of either, the two do not agree.
bool Agree(const MeasuredGroup& a, const MeasuredGroup& b);

}  // namespace ndcao
