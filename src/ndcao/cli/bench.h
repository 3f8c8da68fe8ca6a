// The measurements of `ndcao bench`, one file each.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "ndcao/cli/command.h"
#include "ndcao/cli/run_options.h"
#include "ndcao/worker/session.h"

namespace ndcao {

void AddBenchJournal(CLI::App& bench, Action& action);
void AddBenchMemory(CLI::App& bench, Action& action);
void AddBenchWorkers(CLI::App& bench, Action& action);

/// The middle one of `values`, of which there is at least one.
inline double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// A training of so many rounds by weight probes, with its journal in memory and without marks.
Result<SessionResult> TrainRounds(const RunSetup& setup, ParameterVector initial,
                                  std::uint64_t rounds, int threads);

}  // namespace ndcao
