// metrics.jsonl: a run's numbers over time, derived from its journal alone.
#pragma once

#include <string>

#include "ndcao/base/result.h"
#include "ndcao/journal/journal.h"

namespace ndcao {

/// Writes one JSON object per line, in the order of the journal: "mark" (a measurement on the test
/// part), "groups" (a summary of up to 64 groups: forwards so far, mean loss at the centre, mean
/// staleness in groups), "decision", "budget". Written aside and renamed.
Status WriteMetrics(Journal& journal, const std::string& path);

}  // namespace ndcao
