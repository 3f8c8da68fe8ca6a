// A block's move along the perturbations of one group.
#pragma once

#include <cstdint>
#include <vector>

#include "ndcao/base/ids.h"

namespace ndcao {

/// Σ_k coefficients[k] · e_k, with the e_k of trial `trial`.
struct Move {
  TrialId trial;
  std::vector<float> coefficients;
  std::uint64_t version = 0;  ///< The optimizer's version that decided it.
};

}  // namespace ndcao
