// metrics.jsonl: a run's numbers over time, derived from its journal and its fold.
#pragma once

#include <optional>
#include <string>

#include "ndcao/base/result.h"
#include "ndcao/journal/journal.h"
#include "ndcao/report/fold_history.h"

namespace ndcao {

/// Writes one JSON object per line, in the order of the journal: "mark" (a measurement on the test
/// part), "groups" (a summary of up to 64 groups: forwards so far, mean loss at the centre, mean
/// staleness in groups), "decision", "budget"; and "blocks", from `fold`: the statistics of each
/// cohort and how far each block moved since the line before. The last line, "end", names the
/// cohorts and blocks, and the number of records that it is all about. Written aside and renamed.
Status WriteMetrics(Journal& journal, const FoldHistory& fold, const std::string& path);

/// The fold's history as such a file has it, which is faster than folding again. Nothing if the
/// file is missing, of another form, or not about the first `records` records, all of them folded.
std::optional<FoldHistory> ReadFoldHistory(const std::string& path, Offset records);

}  // namespace ndcao
