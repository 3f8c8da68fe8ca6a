// Adam (D. P. Kingma and J. Ba, ICLR 2015, arXiv 1412.6980) with β = (0.9, 0.999), ε = 1e-8, on an
// estimated gradient. The moments lie packed in the order of a slice.
//
//   moments.Advance();                               // once for each gradient
//   moments.Step(rate, packed, gradient, target);    // for each piece; pieces are disjoint, so
//                                                    // threads may take one each
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ndcao/base/bytes.h"

namespace ndcao {

class AdamMoments {
 public:
  explicit AdamMoments(std::uint64_t size) : first_(size, 0.0f), second_(size, 0.0f) {}

  void Advance();
  /// Takes in the gradient of parameters packed… and adds their step to `target`.
  void Step(double rate, std::uint64_t packed, std::span<const float> gradient,
            std::span<float> target);

  void Save(ByteWriter& out) const;
  void Load(ByteReader& in);

 private:
  std::vector<float> first_;
  std::vector<float> second_;
  double first_decay_ = 1;   // β1^steps
  double second_decay_ = 1;  // β2^steps
};

}  // namespace ndcao
