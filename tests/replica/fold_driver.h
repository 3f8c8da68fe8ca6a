// Drives a replica on a quadratic, without journal or threads: records are made by hand.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "ndcao/base/hash.h"
#include "ndcao/journal/codec.h"
#include "ndcao/replica/replica.h"

namespace ndcao {

/// f(θ) = ½ Σ (1 + i mod 4) (θ_i − 1)², measured in double.
inline double Quadratic(std::span<const float> theta) {
  double sum = 0;
  for (std::size_t i = 0; i < theta.size(); ++i) {
    sum += 0.5 * static_cast<double>(1 + i % 4) * (theta[i] - 1.0) * (theta[i] - 1.0);
  }
  return sum;
}

inline RunSpec QuadraticSpec(std::uint64_t groups) {
  RunSpec spec;
  spec.objective = "function:test";
  spec.options = DefaultsFor("noise-budget").value().options;
  spec.shape = DefaultsFor("noise-budget").value().shape;
  spec.shape.screening = false;
  spec.batch = 0;
  spec.screening = 0;
  spec.blocks = "size:7";
  spec.budget = groups * spec.group_cost();
  return spec;
}

inline Layout QuadraticLayout(std::uint64_t size = 40) {
  Layout layout;
  layout.Add("a.weight", {static_cast<std::int64_t>(size / 2)});
  layout.Add("b.weight", {static_cast<std::int64_t>(size - size / 2)});
  return layout;
}

inline Entry MakeEntry(Offset offset, Record record) {
  const std::uint64_t hash = Hash64(EncodeRecord(record));
  return {offset, std::move(record), hash};
}

/// Folds `record` at the replica's next offset.
inline Outcome Fold(Replica& replica, Record record) {
  SerialExecutor executor;
  Result<Outcome> outcome =
      replica.Apply(MakeEntry(replica.next_offset(), std::move(record)), executor);
  NDCAO_CHECK(outcome.ok());
  return outcome.value();
}

/// Measures a trial of a full replica on the quadratic.
inline GroupRecord Measure(const Replica& replica, const Trial& trial, WorkerId worker = 0) {
  GroupRecord record;
  record.trial = trial.id;
  record.base = trial.base;
  record.base_chain = trial.base_chain;
  record.worker = worker;
  record.examples = static_cast<std::uint32_t>(replica.spec().group_cost());
  record.centre = static_cast<float>(Quadratic(*trial.point));
  std::vector<float> point(trial.point->size());
  for (std::uint32_t k = 0; k < replica.spec().shape.evaluations; ++k) {
    trial.Materialize(k, point);
    record.losses.push_back(static_cast<float>(Quadratic(point)));
  }
  return record;
}

inline Replica NewReplica(const RunSpec& spec, const Layout& layout) {
  Replica replica = Replica::Create(spec, layout, ParameterVector(layout.size(), 0.0f)).value();
  Fold(replica, JoinRecord{"test"});
  return replica;
}

/// Runs a whole run in order, one worker; returns its records from offset 1 on.
inline std::vector<Record> RunAll(Replica& replica) {
  std::vector<Record> records;
  std::uint64_t counter = 0;
  while (!replica.done()) {
    const RoundView view = replica.round();
    const TrialId id = replica.spec().mode == RunMode::kAsync
                           ? TrialId::Async(0, counter++)
                           : TrialId::Sync(view.round, view.open_slots.front());
    records.emplace_back(Measure(replica, replica.NewTrial(id)));
    Fold(replica, records.back());
  }
  return records;
}

}  // namespace ndcao
