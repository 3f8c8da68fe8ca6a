// The optimizers' defaults, as the problem of a run would have them.
#pragma once

#include <string>
#include <string_view>

#include "ndcao/base/result.h"
#include "ndcao/block/block_optimizer.h"
#include "ndcao/replica/run_spec.h"

namespace ndcao {

/// DefaultsFor(optimizer), with what the model and the objective of `spec` know better: the step
/// over which a binary or integer network, or a loss that counts, changes at all; the least value
/// that the negative accuracy can take; that a count's curvature over such a step says little of
/// that over a long way, so less noise is affordable; and that the F1 of a few examples is chance
/// (docs/results.md).
Result<OptimizerDefaults> DefaultsFor(const std::string& optimizer, const RunSpec& spec);

/// How objectives begin that take the place of a network.
inline constexpr std::string_view kExec = "exec:";
inline constexpr std::string_view kFunction = "function:";

/// An objective that takes the place of a network: exec:PROGRAM, function:NAME:N.
bool IsWithoutNetwork(const std::string& objective);

}  // namespace ndcao
