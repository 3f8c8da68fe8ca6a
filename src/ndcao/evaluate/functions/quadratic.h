// A quadratic with known gradient and Hessian:
//   f(x) = ½ (x − c)ᵀ Q Λ Q (x − c),   Λ diagonal, Q = I − 2 v vᵀ a reflection, so that the axes of
// the ellipsoid are not those of the coordinates. Everything costs O(d).
//
// With `noise` > 0 a trial sees the minimum displaced by noise · N(0, I), the same for all of the
// trial's evaluations: the noise of mini-batches, which a block can only average out.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ndcao/evaluate/functions/test_function.h"

namespace ndcao {

class Quadratic : public TestFunction {
 public:
  /// `eigenvalues` are not negative; c and v are keyed by their number alone.
  explicit Quadratic(std::vector<double> eigenvalues, double noise = 0);

  /// Eigenvalues from 1 down to 1/condition, evenly spaced in their logarithms.
  static std::vector<double> LogSpaced(std::uint64_t dimension, double condition);

  const Layout& layout() const override { return layout_; }
  /// At distance √d from the minimum: c plus signs keyed by the seed.
  ParameterVector Start(std::uint64_t seed) const override;
  double Value(std::span<const float> x) const override;
  double Measure(TrialId trial, std::span<const float> x) const override;

  const std::vector<double>& minimum() const { return minimum_; }
  std::vector<double> Gradient(std::span<const float> x) const;
  std::vector<double> HessianTimes(std::span<const double> vector) const;
  /// Of the Hessian: the sum and the greatest of the eigenvalues.
  double trace() const { return trace_; }
  double greatest_eigenvalue() const { return greatest_; }
  /// What the noise adds to the mean measurement: ½ noise² trace.
  double noise_floor() const { return 0.5 * noise_ * noise_ * trace_; }

 private:
  std::vector<double> Reflect(std::vector<double> vector) const;
  double Form(std::vector<double> offset) const;

  std::vector<double> eigenvalues_;
  std::vector<double> minimum_;  // c
  std::vector<double> mirror_;   // v, of length 1
  double noise_;
  double trace_ = 0;
  double greatest_ = 0;
  Layout layout_;
};

}  // namespace ndcao
