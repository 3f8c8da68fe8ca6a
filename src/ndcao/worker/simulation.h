// A run of many workers in virtual time: how fast, how stale, how many bytes.
//
// One real replica folds every record, encoded and decoded as a journal does, in the order in
// which the simulated journal takes them; which records are accepted is its decision. Only time is
// made up: how long groups, folds and messages take. Replicas agree, so one stands for all. Losses
// are made up too (what is learned is not simulated).
//
// A worker is a process of one thread: it folds what has reached it, takes a trial, evaluates it,
// appends, waits for the acknowledgement, and begins again; as Session does.
#pragma once

#include <cstdint>
#include <map>

#include "ndcao/base/result.h"
#include "ndcao/params/layout.h"
#include "ndcao/params/parameter_vector.h"
#include "ndcao/replica/replica.h"

namespace ndcao {

/// Times in seconds. A log-normal spread s multiplies by exp(s·N(0, 1)): the median stays.
struct SimulationOptions {
  std::uint32_t workers = 1;  ///< 1 to 10,000.
  double seconds = 60;        ///< Virtual.
  double group = 0.1;         ///< Evaluating one group.
  double group_spread = 0.1;
  double fold = 1e-4;     ///< One worker folding one accepted group.
  double latency = 1e-3;  ///< One way between a worker and the journal.
  double latency_spread = 0.5;
  double straggler_share = 0;          ///< Of the groups,
  double straggler_factor = 10;        ///< which take so many times as long.
  double life = 0;                     ///< Mean time until a worker is lost; 0: never.
  double absence = 30;                 ///< Until another takes its place.
  double appends_per_second = 10000;   ///< What the journal takes.
  double deliveries_per_second = 1e6;  ///< What it hands out, to all workers together.
  std::uint64_t seed = 1;

  Status Validate() const;
};

struct SimulationResult {
  std::uint64_t appended = 0;  ///< Groups.
  ReplicaCounters counters;
  std::uint64_t cancelled = 0;  ///< Groups given up: their slot had been filled.
  std::uint64_t lost = 0;       ///< Workers.
  std::uint64_t journal_bytes = 0;
  std::uint64_t delivered_bytes = 0;  ///< To all workers.
  double evaluating = 0;              ///< Shares of the workers' time.
  double folding = 0;
  double journal_busy = 0;  ///< Share of the time that the journal is at work.
  /// Accepted groups by staleness: 0, 1, 2–3, 4–7, … as the lower ends.
  std::map<std::uint64_t, std::uint64_t> staleness;
};

/// `spec.budget` is ignored: the run lasts `options.seconds`.
Result<SimulationResult> Simulate(const RunSpec& spec, const Layout& layout,
                                  const ParameterVector& initial, const SimulationOptions& options);

}  // namespace ndcao
