// Training with forward passes at a lower precision: what it needs of a run.
#pragma once

#include "ndcao/base/result.h"
#include "ndcao/cli/run_options.h"

namespace ndcao {

/// For a spec with precision bf16: raises the size of perturbations above bfloat16's rounding step
/// at the network's weights (docs/algorithm.md); refuses a --sigma below it, and what has no
/// perturbations of a fixed size.
Status ResolvePrecision(const RunOptions& options, RunSetup& setup);

}  // namespace ndcao
