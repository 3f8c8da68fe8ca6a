// Adam (Kingma & Ba, ICLR 2015, algorithm 1) on a block's own update: two moments for every
// parameter, and a count of steps for every block.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ndcao/base/bytes.h"
#include "ndcao/params/parameter_vector.h"

namespace ndcao {

class LocalAdam {
 public:
  explicit LocalAdam(std::uint64_t parameters) : first_(parameters), second_(parameters) {}

  /// Step number `step` (from 1) of `length` parameters from `begin` on: theta −= rate · m̂ / (√v̂ +
  /// 1e-8). Their gradient is scale times the sum of `parts`, each of the size of theta, in order;
  /// all of it that was used is 0 afterwards. Ranges may be updated by several threads at once. A
  /// sum that is not finite counts as 0.
  void Update(std::uint64_t begin, std::uint64_t length, std::span<float* const> parts,
              double scale, double rate, std::uint64_t step, std::span<float> theta);

  /// Where `length` parameters from `begin` on would be after `times` more steps like the last one
  /// (number `step`, 0: none yet), into the same places of `ahead`.
  void Extrapolate(std::uint64_t begin, std::uint64_t length, double rate, std::uint64_t step,
                   double times, std::span<const float> theta, std::span<float> ahead) const;

  void Save(ByteWriter& out) const;
  void Load(ByteReader& in);

 private:
  struct Factors {
    float move;
    float widen;
  };
  static Factors FactorsOf(double rate, std::uint64_t step);

  ParameterVector first_;
  ParameterVector second_;
};

}  // namespace ndcao
