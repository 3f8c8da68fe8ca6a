// Runs that probe activations (docs/activations.md): what `train`, `resume` and `inspect` do there.
#pragma once

#include <string>

#include "ndcao/base/result.h"
#include "ndcao/cli/run_directory.h"
#include "ndcao/cli/train_run.h"
#include "ndcao/evaluate/activation_evaluator.h"
#include "ndcao/evaluate/evaluator.h"

namespace ndcao {

/// Trains from the newest snapshot, or from the beginning, to the end of the budget (`budget`, if
/// it is not empty, is a new one); then writes model.pt and metrics.jsonl and prints the summary.
/// Returns the exit code. kConflict if another process trains the run.
Result<int> TrainActivations(RunDirectory& run, const Problem& problem, const TrainOptions& options,
                             const std::string& budget);

/// Prints what a run is and how far it has come: which block probes what, and why.
Result<int> InspectActivations(RunDirectory& run, const Layout& layout, bool partition, bool json);

/// The plan as text in the run directory, so that `inspect` needs neither network nor data.
std::string FormatProbePlan(const ProbePlan& plan);
Result<ProbePlan> ParseProbePlan(const std::string& text);
inline constexpr char kProbesFile[] = "probes.json";

}  // namespace ndcao
