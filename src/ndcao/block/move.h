// A block's move along the perturbations of one group.
#pragma once

#include <vector>

#include "ndcao/base/ids.h"

namespace ndcao {

/// Σ_k coefficients[k] · e_k, with the e_k of trial `trial`.
struct Move {
  TrialId trial;
  std::vector<float> coefficients;
};

}  // namespace ndcao
