// Training on a run: what `train`, `resume` and `worker` share.
#pragma once

#include <CLI/CLI.hpp>
#include <span>
#include <string>

#include "ndcao/base/result.h"
#include "ndcao/cli/run_directory.h"
#include "ndcao/evaluate/evaluator.h"
#include "ndcao/worker/session.h"

namespace ndcao {

/// The note of the last mark of a run that has spent its budget.
inline constexpr char kBudgetUsedUp[] = "budget used up";

/// Flags of everything that trains.
struct TrainOptions {
  int threads = 0;
  bool json = false;
  bool quiet = false;
  std::string fsync = "interval";
  double max_seconds = 0;
  bool budget_from_time = false;
  double snapshot_seconds = 20;
  bool marks = true;
  bool page = true;             ///< Write report.html at the end.
  bool leave_products = false;  ///< A helper: the last mark and the files are left to others.
  std::string data_dir;         ///< As it was given: the command that goes on needs it, too.
  std::string server_flags;     ///< Those too.
  std::string label;            ///< One of many runs: stands before its progress, no summary.
  double delay_ms = 0;          ///< For tests: every group takes this much longer.
};

void AddTrainOptions(CLI::App& verb, TrainOptions& options);
/// Of verbs that see a run to its end.
void AddPageOption(CLI::App& verb, TrainOptions& options);
Result<FileJournalOptions> JournalOptions(const TrainOptions& options);
/// What the flags say of a session. Ctrl-C stops it.
SessionOptions MakeSessionOptions(const TrainOptions& options);

/// The network as a TorchScript file; never a part of it under that name.
Status WriteModel(const Problem& problem, std::span<const float> parameters,
                  const std::string& path);

/// Trains until the budget is used up or somebody says stop, then writes model.pt, metrics.jsonl
/// and report.html, and prints the summary. Returns the exit code. If the journal turns out to have
/// lost records, goes back to what is left of it and on from there.
Result<int> TrainRun(RunHome& run, Replica& replica, const Problem& problem,
                     const TrainOptions& options);

/// Says that a run was stopped, and how to go on with it.
void PrintStopped(const RunHome& run, const TrainOptions& options);

/// Prints an error for the user and returns its exit code.
int ReportError(const Error& error);

}  // namespace ndcao
