// The verbs `train` and `resume` as functions, for whoever trains many runs.
#pragma once

#include <string>

#include "ndcao/base/result.h"
#include "ndcao/cli/run_location.h"
#include "ndcao/cli/run_options.h"
#include "ndcao/cli/train_run.h"

namespace ndcao {

/// What `ndcao train` is told.
struct TrainCommand {
  RunOptions run;
  TrainOptions train;
  RunLocation location;
  std::string out;        ///< The run directory; empty: a new one under runs/.
  std::string losses_of;  ///< A run directory whose losses are taken over; empty: none.
};

void AddTrainCommand(CLI::App& verb, TrainCommand& command);
/// Begins a run and trains it. Returns the exit code.
Result<int> Train(TrainCommand& command);

/// What `ndcao resume` is told.
struct ResumeCommand {
  TrainOptions train;
  RunLocation location;
  std::string budget;  ///< Empty: the run's own.
  double exec_timeout = 60;
};

/// Goes on with a run. Returns the exit code.
Result<int> Resume(const ResumeCommand& command);

}  // namespace ndcao
