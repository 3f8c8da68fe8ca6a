// Synchronous runs that differ in their split alone: what one of them measured, all would measure.
#pragma once

#include "ndcao/base/result.h"
#include "ndcao/cli/run_directory.h"
#include "ndcao/cli/run_options.h"

namespace ndcao {

/// Opens the run in `directory`, whose losses are to be those of the run in `setup` as well.
/// kInvalid unless both are synchronous and probe weights, all blocks have the same options, and
/// nothing but the split differs.
Result<RunDirectory> OpenSharedLosses(const std::string& directory, const RunSetup& setup);

/// Appends to `run`, which has just been begun, what `measured` has journaled: the losses, to be
/// folded under the split of `run`, and the digests that its parameters must have on the way. That
/// the budget is used up is left out, as `run` has yet to be ended.
Status TakeLosses(RunDirectory& measured, RunDirectory& run);

}  // namespace ndcao
