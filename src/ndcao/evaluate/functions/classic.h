// The classic functions: sphere, Rosenbrock's valley, Rastrigin's and Ackley's many minima. All
// are 0 at their minimum (the origin; Rosenbrock's is at (1, …, 1)).
#pragma once

#include <cstdint>
#include <span>

#include "ndcao/evaluate/functions/test_function.h"

namespace ndcao {

/// Σ x².
double Sphere(std::span<const float> x);
/// Σ 100 (x_{i+1} − x_i²)² + (1 − x_i)², over i < n − 1 (Rosenbrock, 1960).
double Rosenbrock(std::span<const float> x);
/// Σ x² + 10 (1 − cos 2πx) (Rastrigin, 1974).
double Rastrigin(std::span<const float> x);
/// 20 (1 − exp(−0.2 rms x)) + e − exp(mean cos 2πx) (Ackley, 1987).
double Ackley(std::span<const float> x);

/// A plain function of a vector, with a random start.
class ClassicFunction : public TestFunction {
 public:
  using Function = double (*)(std::span<const float>);

  /// The start is uniform in [−radius, radius]^dimension.
  ClassicFunction(Function function, std::uint64_t dimension, double radius)
      : function_(function), radius_(radius), layout_(Layout::Flat(dimension)) {}

  const Layout& layout() const override { return layout_; }
  ParameterVector Start(std::uint64_t seed) const override {
    return UniformStart(seed, layout_.size(), radius_);
  }
  double Value(std::span<const float> x) const override { return function_(x); }

 private:
  Function function_;
  double radius_;
  Layout layout_;
};

}  // namespace ndcao
