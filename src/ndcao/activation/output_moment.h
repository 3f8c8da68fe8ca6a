// The second moment of what the loss does at perturbed outputs, which every block computes for
// itself from the same broadcast losses, and the whitening that it gives.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "ndcao/base/bytes.h"

namespace ndcao {

class OutputMoment {
 public:
  /// Of `features` losses: A is features × features.
  explicit OutputMoment(std::size_t features) : features_(features), moment_(features * features) {}

  /// One batch: Σ e eᵀ over its examples. A batch that is not finite is left out.
  void Add(std::span<const float> sum, double examples);

  /// (A + ridge)⁻¹, row-major; empty until something was added. The ridge is a fiftieth of A's mean
  /// eigenvalue.
  std::vector<float> Whitener() const;

  /// A, but for a factor: features × features.
  std::span<const double> values() const { return moment_; }

  void Save(ByteWriter& out) const;
  void Load(ByteReader& in);

 private:
  std::size_t features_;
  std::vector<double> moment_;  // an exponential mean, biased towards 0
  double weight_ = 0;           // what the bias has to be divided by
};

}  // namespace ndcao
