// ndcao simulate: a run of up to 10,000 workers in virtual time.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "ndcao/base/hash.h"
#include "ndcao/cli/command.h"
#include "ndcao/cli/number_checks.h"
#include "ndcao/cli/run_options.h"
#include "ndcao/cli/train_run.h"
#include "ndcao/journal/codec.h"
#include "ndcao/worker/group_evaluation.h"
#include "ndcao/worker/simulation.h"

namespace ndcao {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;

struct SimulateFlags {
  RunOptions run;
  SimulationOptions simulation;
  double group_ms = 0;
  double fold_us = -1;
  double latency_ms = 1;
  bool json = false;
};

constexpr int kMeasurements = 5;

double Since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// Seconds for a group, and for its share of the fold: one process, one thread, this machine.
Result<std::pair<double, double>> MeasureCosts(const RunSetup& setup) {
  NDCAO_ASSIGN(Replica replica,
               Replica::Create(setup.spec, setup.problem->layout(), setup.initial));
  NDCAO_ASSIGN(GroupEvaluation evaluation, GroupEvaluation::Create(setup.spec, *setup.problem));
  SerialExecutor executor;
  const auto take = [&](const Record& record) {
    return replica.Apply({replica.next_offset(), record, Hash64(EncodeRecord(record))}, executor);
  };
  NDCAO_TRY(take(JoinRecord{"measurement"}));
  const bool async = setup.spec.mode == RunMode::kAsync;
  const std::uint32_t slots = async ? 1 : setup.spec.shape.slots;
  std::vector<double> groups, folds;
  for (std::uint64_t round = 0; round < kMeasurements; ++round) {
    double fold = 0;
    const auto trial_id = [&](std::uint32_t slot) {
      return async ? TrialId::Async(0, round) : TrialId::Sync(round, slot);
    };
    const Trial trial = replica.NewTrial(trial_id(0));
    auto begin = Clock::now();
    NDCAO_ASSIGN(auto record, evaluation.Evaluate(trial, 0, [] { return false; }));
    groups.push_back(Since(begin));
    for (std::uint32_t slot = 0; slot < slots; ++slot) {
      record->trial = trial_id(slot);
      begin = Clock::now();
      NDCAO_TRY(take(*record));
      fold += Since(begin) / slots;
    }
    folds.push_back(fold);
  }
  return std::pair(Median(groups), Median(folds));
}

Json ToJson(const SimulateFlags& flags, const RunSetup& setup, const SimulationResult& result) {
  const SimulationOptions& options = flags.simulation;
  const double groups = static_cast<double>(result.counters.groups) / options.seconds;
  const double ideal = options.workers / options.group;
  const auto forwards = static_cast<double>(result.counters.image_forwards);
  Json staleness = Json::array();
  for (const auto& [least, count] : result.staleness) {
    staleness.push_back({{"from", least}, {"groups", count}});
  }
  return {
      {"workers", options.workers},
      {"mode", setup.spec.mode == RunMode::kAsync ? "async" : "sync"},
      {"parameters", setup.initial.size()},
      {"seconds", options.seconds},
      {"group_seconds", options.group},
      {"fold_seconds", options.fold},
      {"latency_seconds", options.latency},
      {"groups_per_second", groups},
      {"image_forwards_per_second", forwards / options.seconds},
      {"efficiency", groups / ideal},
      {"evaluating", result.evaluating},
      {"folding", result.folding},
      {"journal_busy", result.journal_busy},
      {"appended", result.appended},
      {"accepted", result.counters.groups},
      {"duplicates", result.counters.duplicates},
      {"stale", result.counters.stale},
      {"cancelled", result.cancelled},
      {"image_forwards_wasted", result.counters.image_forwards_wasted},
      {"workers_lost", result.lost},
      {"journal_bytes_per_second", static_cast<double>(result.journal_bytes) / options.seconds},
      {"delivered_bytes_per_second", static_cast<double>(result.delivered_bytes) / options.seconds},
      {"staleness", staleness}};
}

void PrintTable(const Json& json) {
  const auto number = [&](const char* name) { return json[name].get<double>(); };
  fmt::print("{} workers, {:.0f} s of virtual time; a group {:.3g} s, its fold {:.3g} s\n\n",
             json["workers"].get<int>(), number("seconds"), number("group_seconds"),
             number("fold_seconds"));
  fmt::print("groups       {:14.1f} /s accepted, {:.1f} % of workers / group time\n",
             number("groups_per_second"), 100 * number("efficiency"));
  fmt::print("images       {:14.0f} forwards/s\n", number("image_forwards_per_second"));
  fmt::print("workers      {:14.1f} % evaluating, {:.1f} % folding\n", 100 * number("evaluating"),
             100 * number("folding"));
  fmt::print("journal      {:14.1f} % busy, {:.0f} bytes/s in, {:.0f} bytes/s out\n",
             100 * number("journal_busy"), number("journal_bytes_per_second"),
             number("delivered_bytes_per_second"));
  fmt::print("not accepted {:14.0f} duplicates, {:.0f} stale; {:.0f} given up in time\n",
             number("duplicates"), number("stale"), number("cancelled"));
  fmt::print("lost         {:14.0f} workers\n\nstaleness from    groups\n", number("workers_lost"));
  for (const Json& row : json["staleness"]) {
    fmt::print("{:14} {:9}\n", row["from"].get<std::uint64_t>(),
               row["groups"].get<std::uint64_t>());
  }
}

Result<int> RunSimulation(SimulateFlags& flags) {
  flags.run.budget = "100G";  // not used: the virtual time ends the run
  if (flags.run.batch == 0) flags.run.batch = flags.run.usual_batch = 32;
  NDCAO_ASSIGN(const RunSetup setup, SetUpRun(flags.run));
  if (setup.spec.probe == ProbeTarget::kActivations) {
    return Invalid("--probe activations: what is simulated is runs that probe weights");
  }
  SimulationOptions& options = flags.simulation;
  options.seed = setup.spec.seed;
  options.latency = flags.latency_ms * 1e-3;
  options.group = flags.group_ms * 1e-3;
  options.fold = flags.fold_us * 1e-6;
  if (flags.group_ms == 0 || flags.fold_us < 0) {
    NDCAO_ASSIGN(const auto costs, MeasureCosts(setup));
    if (flags.group_ms == 0) options.group = costs.first;
    if (flags.fold_us < 0) options.fold = costs.second;
  }
  NDCAO_ASSIGN(const SimulationResult result,
               Simulate(setup.spec, setup.problem->layout(), setup.initial, options));
  const Json json = ToJson(flags, setup, result);
  if (flags.json) {
    fmt::print("{}\n", json.dump());
  } else {
    PrintTable(json);
  }
  return kExitDone;
}

void AddTimes(CLI::App& verb, SimulateFlags& flags) {
  SimulationOptions& o = flags.simulation;
  verb.add_option("--seconds", o.seconds, "Virtual time");
  verb.add_option("--group-ms", flags.group_ms, "Time of a group; 0: measured here")
      ->check(AtLeastZero());
  verb.add_option("--group-spread", o.group_spread, "Log-normal spread of it")
      ->check(AtLeastZero());
  verb.add_option("--fold-us", flags.fold_us, "Time to fold a group; negative: measured here");
  verb.add_option("--latency-ms", flags.latency_ms, "One way, worker to journal, median");
  verb.add_option("--latency-spread", o.latency_spread, "Log-normal spread among workers")
      ->check(AtLeastZero());
  verb.add_option("--stragglers", o.straggler_share, "Share of the groups that straggle");
  verb.add_option("--straggler-factor", o.straggler_factor, "How many times as long they take");
  verb.add_option("--life", o.life, "Mean seconds until a worker is lost; 0: never");
  verb.add_option("--absence", o.absence, "Seconds until another takes its place")
      ->check(AtLeastZero());
  verb.add_option("--appends", o.appends_per_second, "Appends/s that the journal takes");
  verb.add_option("--deliveries", o.deliveries_per_second,
                  "Records/s that it hands out, to all workers together");
}

}  // namespace

void AddSimulate(CLI::App& app, Action& action) {
  CLI::App* verb = app.add_subcommand(
      "simulate", "Many workers in virtual time: throughput, staleness, bytes per second.");
  auto flags = std::make_shared<SimulateFlags>();
  AddRunOptions(*verb, flags->run);
  verb->add_option("--workers", flags->simulation.workers, "Workers of one thread, 1 to 10000")
      ->check(CLI::Range(1, 10000));
  AddTimes(*verb, *flags);
  verb->add_flag("--json", flags->json, "End standard output with one JSON object");
  SetAction(*verb, action, [flags] { return RunSimulation(*flags); });
}

}  // namespace ndcao
