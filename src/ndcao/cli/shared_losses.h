// Synchronous runs that differ in their split alone: what one of them measured, all would measure.
#pragma once

#include <string>
#include <vector>

#include "ndcao/base/result.h"
#include "ndcao/cli/run_options.h"
#include "ndcao/journal/file/file_journal.h"

namespace ndcao {

/// What the run in `directory` has journaled after its spec: the losses, to be folded under the
/// split of the run in `setup`, and the digests that its parameters must have on the way. That the
/// budget is used up is left out, as the other run has yet to be ended.
/// kInvalid unless both are synchronous and probe weights, all blocks have the same options, and
/// nothing but the split differs.
Result<std::vector<Record>> ReadSharedLosses(const std::string& directory, const RunSetup& setup);

/// Appends them to the journal of a run that has just been begun.
Status AppendSharedLosses(std::vector<Record> records, FileJournal& journal);

}  // namespace ndcao
