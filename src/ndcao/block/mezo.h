// MeZO: S. Malladi, T. Gao, E. Nichani, A. Damian, J. D. Lee, D. Chen, S. Arora, "Fine-tuning
// language models with just forward passes", NeurIPS 2023 (arXiv 2305.17333). Two forward passes
// at θ ± εz, z standard normal, and a step of SGD along z, which is drawn again from its seed
// instead of being stored. ε = 1e-3. With more than one pair in a group: their n-SPSA.
#pragma once

#include "ndcao/block/two_point.h"

namespace ndcao {

class MezoOptimizer : public TwoPointOptimizer {
 public:
  MezoOptimizer(const BlockOptions& options, CohortContext context);
};

}  // namespace ndcao
