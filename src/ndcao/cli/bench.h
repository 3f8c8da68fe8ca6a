// The measurements of `ndcao bench`, one file each.
#pragma once

#include <algorithm>
#include <vector>

#include "ndcao/cli/command.h"

namespace ndcao {

void AddBenchJournal(CLI::App& bench, Action& action);
void AddBenchMemory(CLI::App& bench, Action& action);
void AddBenchWorkers(CLI::App& bench, Action& action);

/// The middle one of `values`, of which there is at least one.
inline double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace ndcao
