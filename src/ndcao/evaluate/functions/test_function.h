// Functions with known minima that optimizers are tried on. Immutable, so threads may share one.
#pragma once

#include <cstdint>
#include <span>

#include "ndcao/base/ids.h"
#include "ndcao/params/layout.h"
#include "ndcao/params/parameter_vector.h"

namespace ndcao {

class TestFunction {
 public:
  virtual ~TestFunction() = default;

  virtual const Layout& layout() const = 0;
  /// Where a run with this seed starts.
  virtual ParameterVector Start(std::uint64_t seed) const = 0;
  /// The objective; x has layout().size() values. The least value is 0.
  virtual double Value(std::span<const float> x) const = 0;
  /// What trial `trial` measures: Value, unless the function is noisy.
  virtual double Measure(TrialId, std::span<const float> x) const { return Value(x); }
};

/// Each coordinate uniform in [−radius, radius], keyed by the seed.
ParameterVector UniformStart(std::uint64_t seed, std::uint64_t size, double radius);

}  // namespace ndcao
