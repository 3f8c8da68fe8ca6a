// How long the steps of an estimator should be, from what the slots of a batch agree upon.
//
// Least mean squares with a step μ follows a target that moves by D a step with a lag of D/μ, and
// its own noise leaves it μN/2 away in the mean square, N being the variance of a correction.
// D²/μ² + μN/2 is least where D²/μ² = μN/4, that is, where the whole error is ¾ μN. The slots of a
// batch see other examples with one estimator, so products of their corrections estimate the
// square of that error without bias, and their differences estimate N: μ = 4/3 of the ratio
// (docs/activations.md; the two parts of the error: S. Haykin, Adaptive Filter Theory, 4th ed.,
// 2002, chapters 5 and 14).
#pragma once

#include <span>
#include <vector>

#include "ndcao/base/bytes.h"

namespace ndcao {

class SlotAgreement {
 public:
  /// The corrections of one batch, each features × columns, whose squares are taken in the metric
  /// of `moment`, features × features. Fewer than two, or no moment, tell nothing.
  void See(std::span<const std::span<const float>> corrections, std::span<const double> moment);

  /// The share of its error that an estimator should correct in a step; endless until something
  /// was seen, and below 0 if slots contradict each other.
  double BestStep() const;

  void Save(ByteWriter& out) const;
  void Load(ByteReader& in);

 private:
  double agreed_ = 0;  // ‖mean‖², and
  double noise_ = 0;   // the variance, of a batch's sum of corrections: exponential means
};

}  // namespace ndcao
