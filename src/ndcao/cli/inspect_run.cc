// ndcao replay, verify, inspect, export: a run's past, from its journal; no network is evaluated.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "ndcao/base/hash.h"
#include "ndcao/cli/activation_run.h"
#include "ndcao/cli/audit_summary.h"
#include "ndcao/cli/command.h"
#include "ndcao/cli/export_stages.h"
#include "ndcao/cli/files.h"
#include "ndcao/cli/progress.h"
#include "ndcao/cli/run_directory.h"
#include "ndcao/cli/run_follower.h"
#include "ndcao/cli/run_location.h"
#include "ndcao/cli/run_options.h"
#include "ndcao/cli/train_run.h"
#include "ndcao/evaluate/torch/network_problem.h"
#include "ndcao/replica/run_spec.h"

namespace ndcao {
namespace {

struct Flags {
  RunLocation location;
  std::string out;
  std::string data_dir;
  std::optional<std::uint64_t> until;
  std::string stages;
  std::optional<BlockId> block;
  bool partition = false;
  bool json = false;
};

using Json = nlohmann::ordered_json;

struct OpenedRun {
  std::unique_ptr<RunHome> home;
  Layout layout;
  Offset end = 0;
};

// The layout is kept with the run; no data set is needed for it.
Result<OpenedRun> OpenRun(const Flags& flags, bool from_start) {
  FileJournalOptions options;
  options.mode = OpenMode::kReadOnly;
  NDCAO_ASSIGN(auto run, ndcao::OpenRun(flags.location, options, from_start));
  NDCAO_ASSIGN(Layout layout, run->ReadLayout());
  NDCAO_ASSIGN(Offset end, run->End());
  if (flags.until && *flags.until > end) {
    return Invalid(fmt::format("--until {}: the journal has {} records", *flags.until, end));
  }
  if (flags.until) end = *flags.until;
  return OpenedRun{std::move(run), std::move(layout), end};
}

/// Folds one block alone: its slice of the initial parameters, its optimizer, the losses.
Result<ParameterVector> FoldBlock(OpenedRun& run, BlockId block) {
  NDCAO_ASSIGN(const Partition partition,
               MakePartition(run.home->spec().blocks, run.home->spec().blocks_text, run.layout,
                             run.home->spec().seed));
  if (block >= partition.blocks().size()) {
    return Invalid(fmt::format("--block {}: the run has blocks 0 to {}", block,
                               partition.blocks().size() - 1));
  }
  ParameterVector slice;
  for (const Run& part : partition.blocks()[block].slice.runs()) {
    const auto begin = run.home->initial().begin() + static_cast<std::ptrdiff_t>(part.global);
    slice.insert(slice.end(), begin, begin + static_cast<std::ptrdiff_t>(part.length));
  }
  NDCAO_ASSIGN(Replica replica, Replica::Create(run.home->spec(), run.layout, std::move(slice),
                                                partition.blocks()[block].slice));
  NDCAO_TRY(run.home->FoldInto(replica, run.end));
  return *replica.parameters();
}

Result<int> Replay(const Flags& flags) {
  NDCAO_TRY(CheckOutput("--params", flags.out));
  NDCAO_ASSIGN(OpenedRun run, OpenRun(flags, true));
  NDCAO_TRY(run.home->NeedsFold("replay"));
  ParameterVector parameters;
  if (flags.block) {
    NDCAO_ASSIGN(parameters, FoldBlock(run, *flags.block));
  } else {
    NDCAO_ASSIGN(const Replica replica, run.home->Fold(run.layout, run.end, true));
    parameters = *replica.parameters();
  }
  if (!flags.out.empty()) NDCAO_TRY(WriteParameters(flags.out, parameters));
  Json json;
  json["records"] = run.end;
  json["parameters"] = parameters.size();
  json["digest"] = DigestHex(parameters);
  if (flags.block) json["block"] = *flags.block;
  if (!flags.out.empty()) json["params"] = flags.out;
  if (flags.json) {
    fmt::print("{}\n", json.dump());
  } else {
    fmt::print("{} records folded, {} parameters, digest {}\n", run.end, parameters.size(),
               DigestHex(parameters));
  }
  return kExitDone;
}

Result<int> Verify(const Flags& flags) {
  NDCAO_ASSIGN(OpenedRun run, OpenRun(flags, true));
  NDCAO_TRY(run.home->NeedsFold("verify"));
  NDCAO_ASSIGN(const std::uint64_t torn, run.home->TornTail());
  NDCAO_ASSIGN(const Replica replica, run.home->Fold(run.layout, run.end, true));
  NDCAO_TRY(run.home->CheckChain(replica));
  const ReplicaCounters& counters = replica.counters();
  Json json;
  json["verified"] = true;
  json["records"] = run.end;
  json["groups"] = counters.groups;
  json["duplicates"] = counters.duplicates;
  json["stale"] = counters.stale;
  json["foreign"] = counters.foreign;
  json["torn_tail_bytes"] = torn;
  json["remarks"] = run.home->Remarks();
  json["chain"] = Hex(replica.chain());
  json["digest"] = replica.digest();
  if (flags.json) {
    fmt::print("{}\n", json.dump());
  } else {
    fmt::print(
        "sound: {} records, every checksum, the hash chain and every journaled digest agree\n",
        run.end);
    if (!replica.newest_digest()) {
      fmt::print("(none is journaled yet: the first comes after {} groups)\n",
                 Replica::kDigestEvery);
    }
    fmt::print("digest {}\n", replica.digest());
    if (!run.home->Remarks().empty()) fmt::print("{}\n", run.home->Remarks());
    if (torn > 0) fmt::print("{} bytes of an unfinished record follow; resume cuts them\n", torn);
  }
  return kExitDone;
}

void PrintBlocks(const Replica& replica) {
  constexpr std::size_t kShown = 20;
  const auto& blocks = replica.partition().blocks();
  fmt::print("\n{} blocks\n", blocks.size());
  for (std::size_t i = 0; i < std::min(kShown, blocks.size()); ++i) {
    fmt::print("  {:>4}  {:<24} {:>10} parameters\n", i, blocks[i].name, blocks[i].slice.size());
  }
  if (blocks.size() > kShown) fmt::print("  …\n");
  fmt::print("\n");
  for (const Replica::CohortView& cohort : replica.cohorts()) {
    fmt::print("{} ({} blocks):", cohort.optimizer, cohort.blocks.size());
    for (const Statistic& s : cohort.statistics) fmt::print("  {} {:.6g}", s.name, s.value);
    fmt::print("\n");
  }
}

/// How many groups others had journaled since a group's base, by how many groups. Only of an
/// asynchronous run does the journal have to be read for it.
Result<std::map<std::uint64_t, std::uint64_t>> StalenessOf(OpenedRun& run, const Replica& replica) {
  if (run.home->spec().mode == RunMode::kSync) {
    return std::map<std::uint64_t, std::uint64_t>{{0, replica.counters().groups}};
  }
  NDCAO_ASSIGN(const RunHistory history, ReadHistory(*run.home, run.end));
  return history.staleness();
}

void PrintStaleness(const std::map<std::uint64_t, std::uint64_t>& histogram) {
  std::uint64_t total = 0;
  for (const auto& [late, groups] : histogram) total += groups;
  if (total == 0 || histogram.rbegin()->first == 0) return;
  fmt::print("\ngroups late\n");
  for (const auto& [late, groups] : histogram) {
    const double share = static_cast<double>(groups) / static_cast<double>(total);
    if (share < 0.005) continue;
    fmt::print("  {:>4}  {:>5.1f} %  {}\n", late, 100 * share,
               std::string(static_cast<std::size_t>(50 * share), '#'));
  }
}

Result<int> Inspect(const Flags& flags) {
  if (flags.partition && flags.json) {
    return Invalid("--partition and --json: a partition is printed in the format of its files");
  }
  NDCAO_ASSIGN(OpenedRun run, OpenRun(flags, false));
  if (run.home->spec().probe == ProbeTarget::kActivations) {
    if (flags.until) NDCAO_TRY(run.home->NeedsFold("inspect --until"));
    return InspectActivations(*run.home->directory(), run.layout, flags.partition, flags.json);
  }
  NDCAO_ASSIGN(const Replica replica, run.home->Fold(run.layout, run.end, false));
  if (flags.partition) {
    fmt::print("{}", FormatPartition(replica.partition()));
    return kExitDone;
  }
  NDCAO_ASSIGN(const auto staleness, StalenessOf(run, replica));
  const ReplicaCounters& counters = replica.counters();
  if (flags.json) {
    Json json;
    json["spec"] = FormatRunSpec(run.home->spec());
    json["records"] = run.end;
    json["parameters"] = replica.parameters()->size();
    json["blocks"] = replica.partition().blocks().size();
    json["groups"] = counters.groups;
    json["image_forwards"] = counters.image_forwards;
    json["budget"] = replica.budget();
    json["workers"] = replica.joins();
    json["duplicates"] = counters.duplicates;
    json["stale"] = counters.stale;
    json["foreign"] = counters.foreign;
    if (replica.audits() != nullptr) json["audits"] = AuditJson(*replica.audits());
    json["staleness"] = Json::array();
    for (const auto& [late, groups] : staleness) {
      json["staleness"].push_back({late, groups});
    }
    json["digest"] = replica.digest();
    fmt::print("{}\n", json.dump());
    return kExitDone;
  }
  fmt::print("{}\n", FormatRunSpec(run.home->spec()));
  fmt::print("records {}   workers that joined {}   groups {}   forwards {} of {}\n", run.end,
             replica.joins(), counters.groups,
             FormatCount(static_cast<double>(counters.image_forwards)),
             FormatCount(static_cast<double>(replica.budget())));
  fmt::print("duplicates {}   stale {}   foreign {}   wasted forwards {}\n", counters.duplicates,
             counters.stale, counters.foreign, counters.image_forwards_wasted);
  if (replica.audits() != nullptr) fmt::print("audits {}\n", DescribeAudits(*replica.audits()));
  fmt::print("digest {}\n\ntensors\n", replica.digest());
  for (const Tensor& t : run.layout.tensors()) {
    fmt::print("  {:<28} {:>10} parameters from {}\n", t.name, t.size, t.offset);
  }
  PrintBlocks(replica);
  PrintStaleness(staleness);
  return kExitDone;
}

Result<int> ExportStages(const Flags& flags) {
  const RunLocation& run = flags.location;
  if (flags.until || !run.directory.empty() || !run.journal.empty() || !run.run.empty()) {
    return Invalid(fmt::format(
        "--stages {}: the stages' own directories hold what they learned; without a run directory, "
        "--journal, --run and --until",
        flags.stages));
  }
  NDCAO_ASSIGN(JoinedStages joined, JoinStages(flags.stages));
  NDCAO_ASSIGN(const auto problem, MakeProblem(joined.spec, {flags.data_dir, "", 60, 0}));
  NDCAO_TRY(WriteModel(*problem, joined.parameters, flags.out));
  Json json;
  json["groups"] = joined.groups;
  json["parameters"] = joined.parameters.size();
  json["digest"] = DigestHex(joined.parameters);
  json["model"] = flags.out;
  fmt::print("{}\n", flags.json ? json.dump() : flags.out);
  return kExitDone;
}

Result<int> Export(const Flags& flags) {
  NDCAO_TRY(CheckOutput("--out", flags.out));
  if (!flags.stages.empty()) return ExportStages(flags);
  NDCAO_ASSIGN(OpenedRun run, OpenRun(flags, false));
  if (run.home->spec().model.empty()) {
    return Invalid(
        fmt::format("'{}' trains no network: there is nothing to export", run.home->name()));
  }
  ParameterVector parameters;
  if (flags.until) {
    NDCAO_TRY(run.home->NeedsFold("export --until"));
    NDCAO_ASSIGN(const Replica replica, run.home->Fold(run.layout, run.end, false));
    parameters = *replica.parameters();
  } else {
    NDCAO_ASSIGN(parameters, run.home->Parameters(run.layout));
  }
  RunSpec spec = run.home->spec();
  NDCAO_ASSIGN(const auto problem, MakeProblem(spec, run.home->Sources(flags.data_dir, 60)));
  NDCAO_TRY(WriteModel(*problem, parameters, flags.out));
  Json json;
  json["parameters"] = parameters.size();
  json["digest"] = DigestHex(parameters);
  json["model"] = flags.out;
  fmt::print("{}\n", flags.json ? json.dump() : flags.out);
  return kExitDone;
}

CLI::App* AddVerb(CLI::App& app, Action& action, const std::string& name, const std::string& help,
                  std::shared_ptr<Flags> flags, Result<int> (*act)(const Flags&)) {
  CLI::App* verb = app.add_subcommand(name, help);
  AddRunLocation(*verb, flags->location);
  verb->add_option("--until", flags->until, "Fold only the records before this offset");
  SetAction(*verb, action, [flags, act] { return act(*flags); });
  return verb;
}

}  // namespace

void AddInspection(CLI::App& app, Action& action) {
  auto replay = std::make_shared<Flags>();
  CLI::App* verb = AddVerb(app, action, "replay",
                           "Fold the journal again from the start: the same parameters, bit for "
                           "bit, on any machine.",
                           replay, Replay);
  verb->add_option("--block", replay->block,
                   "Fold this block alone, given the losses and nothing else");
  verb->add_option("--params", replay->out, "Write the parameters (float32) to this file");
  verb->add_flag("--json", replay->json, "End standard output with one JSON object");

  auto verify = std::make_shared<Flags>();
  AddVerb(
      app, action, "verify",
      "Check a run: every checksum, the hash chain, and every journaled digest against the fold.",
      verify, Verify)
      ->add_flag("--json", verify->json, "End standard output with one JSON object");

  auto inspect = std::make_shared<Flags>();
  verb =
      AddVerb(app, action, "inspect", "What a run is and how far it has come.", inspect, Inspect);
  verb->add_flag("--partition", inspect->partition,
                 "Print the partition as a file that train --blocks file:FILE reads");
  verb->add_flag("--json", inspect->json, "End standard output with one JSON object");

  auto exported = std::make_shared<Flags>();
  verb = AddVerb(app, action, "export", "Write the trained network as a TorchScript module.",
                 exported, Export);
  verb->add_option("--data-dir", exported->data_dir, "Where the data set's files lie");
  verb->add_option("--out", exported->out, "The file, such as model.pt")->required();
  verb->add_option("--stages", exported->stages,
                   "Instead of a run: the directory of stage files that a partitioned run was "
                   "trained from, with the stages' snapshots");
  verb->add_flag("--json", exported->json, "Print one JSON object");
}

}  // namespace ndcao
