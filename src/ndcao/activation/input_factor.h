// What the values that a weight takes in have in common, as far as a block can tell from its own
// inputs, and how to undo it: the input factor of K-FAC (Martens & Grosse, ICML 2015) without the
// other one, which is FOOF (Benzing, ICML 2022). A block's outer product times the inverse is, but
// for the ridge, the change of its weights whose effect is nearest to the signal in the mean
// square.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ndcao/activation/probe_sums.h"
#include "ndcao/base/bytes.h"

namespace ndcao {

class InputFactor {
 public:
  /// Of x with `width` values: the inputs of one output, and a 1 if there is a bias.
  explicit InputFactor(std::uint64_t width) : width_(width) {}

  /// Inputs are measured in each of the first steps, then in one of so many.
  static constexpr std::uint64_t kFirstSteps = 16;
  static constexpr std::uint64_t kInterval = 16;
  static bool MeasuredAt(std::uint64_t step);

  /// One batch, from its slots in their order. One that is empty or not finite is left out.
  void Add(std::span<const InputSum* const> slots);

  /// (A/a + ridge)⁻¹, width × width, A being the second moment E[x xᵀ] and a the mean of its
  /// diagonal; empty until something was added.
  std::span<const float> inverse() const { return inverse_; }

  void Save(ByteWriter& out) const;
  void Load(ByteReader& in);

 private:
  void Invert();

  std::uint64_t width_;
  std::vector<float> moment_;  // an exponential mean, biased towards 0; empty: nothing yet
  double weight_ = 0;          // what the bias has to be divided by
  std::vector<float> inverse_;
};

}  // namespace ndcao
