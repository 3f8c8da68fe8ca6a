// SPSA: J. C. Spall, "Multivariate stochastic approximation using a simultaneous perturbation
// gradient approximation", IEEE Transactions on Automatic Control 37(3), 1992. Perturbations are
// ±1, whose inverses are themselves. Spall's gain sequence is replaced by the schedule that all
// optimizers here share.
#pragma once

#include "ndcao/block/two_point.h"

namespace ndcao {

class SpsaOptimizer : public TwoPointOptimizer {
 public:
  SpsaOptimizer(const BlockOptions& options, CohortContext context);
};

}  // namespace ndcao
