// The flags of a run that probes activations, resolved.
#pragma once

#include "ndcao/base/result.h"
#include "ndcao/cli/run_options.h"

namespace ndcao {

/// Constants of docs/activations.md where the flags say nothing.
Status ResolveActivations(const RunOptions& options, RunSpec& spec);

/// How often a site is probed, and how long to train: what a step costs depends on where the
/// network can be probed. Refuses objectives and networks that have nothing to probe.
Status ResolveActivationBudget(const RunOptions& options, RunSetup& setup);

}  // namespace ndcao
