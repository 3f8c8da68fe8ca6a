// ndcao split: cuts a network into stage files.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <sstream>

#include "ndcao/base/hash.h"
#include "ndcao/cli/command.h"
#include "ndcao/cli/flag_values.h"
#include "ndcao/cli/run_options.h"
#include "ndcao/cli/stage_files.h"
#include "ndcao/evaluate/torch/stage_model.h"
#include "ndcao/partitioned/activation_worker.h"
#include "ndcao/partitioned/stage_cut.h"
#include "ndcao/replica/replica.h"

namespace ndcao {
namespace {

struct Flags {
  RunOptions run;
  std::uint32_t stages = 2;
  std::string out;
  std::string balance = "parameters";
  std::string update_periods;
  std::optional<std::uint32_t> in_flight;
  std::optional<std::uint32_t> keep_every;
  bool json = false;
};

Result<std::vector<std::size_t>> ChooseCuts(const Flags& flags,
                                            const std::vector<SectionInfo>& sections) {
  if (flags.stages < 2 || flags.stages > sections.size()) {
    std::vector<std::string> names;
    for (const SectionInfo& section : sections) names.push_back(section.name);
    return Invalid(
        fmt::format("--stages {}: {} can be cut into 2 to {} stages, one or more of these each: {}",
                    flags.stages, flags.run.model, sections.size(), fmt::join(names, ", ")));
  }
  std::vector<std::uint64_t> weights;
  for (const SectionInfo& section : sections) {
    weights.push_back(flags.balance == "activations" ? ValuesOf(section.output_shape)
                                                     : section.parameters);
  }
  return CutEvenly(weights, flags.stages);
}

Error WrongPeriods(const Flags& flags) {
  return Invalid(fmt::format(
      "--update-periods {}: expected {} numbers of groups from 1 to 1000, one for each stage, such "
      "as 1,10",
      flags.update_periods, flags.stages));
}

// --update-periods 1,1,10,1: the blocks of a stage move after so many groups. Empty: none is given.
Result<std::vector<std::uint32_t>> ReadPeriods(const Flags& flags) {
  std::vector<std::uint32_t> periods;
  std::istringstream words(flags.update_periods);
  for (std::string word; std::getline(words, word, ',');) {
    std::uint32_t period = 0;
    const auto parsed = std::from_chars(word.data(), word.data() + word.size(), period);
    if (parsed.ec != std::errc() || parsed.ptr != word.data() + word.size() || period < 1 ||
        period > 1000) {
      return WrongPeriods(flags);
    }
    periods.push_back(period);
  }
  if (!periods.empty() && periods.size() != flags.stages) return WrongPeriods(flags);
  const RunOptions usual;
  if (periods.empty() || (flags.run.mode == "async" && flags.run.async_clock == usual.async_clock &&
                          flags.run.async_periods == usual.async_periods)) {
    return periods;
  }
  return Invalid(fmt::format(
      "--update-periods {}: it needs --mode async, and takes the place of --async-periods and "
      "--async-clock",
      flags.update_periods));
}

/// The run's flags, with the spread of these periods: the batch depends on the longest.
RunOptions WithPeriods(RunOptions options, std::span<const std::uint32_t> periods) {
  if (periods.empty()) return options;
  const auto [least, greatest] = std::ranges::minmax(periods);
  options.async_periods = fmt::format("{}..{}", least, greatest);
  return options;
}

Result<std::vector<StageHead>> MakeHeads(const Flags& flags, const RunSetup& setup,
                                         const Dataset& data) {
  const RunSpec& spec = setup.spec;
  NDCAO_ASSIGN(const auto sections,
               DescribeSections({spec.model, spec.objective, spec.batch_norm}, data));
  NDCAO_ASSIGN(const std::vector<std::size_t> ends, ChooseCuts(flags, sections));
  std::vector<StageHead> heads;
  std::size_t section = 0;
  std::uint64_t first = 0;
  for (std::uint32_t i = 0; i < flags.stages; ++i) {
    StageHead head;
    head.stage = i + 1;
    head.stages = flags.stages;
    head.layout = setup.problem->layout();
    head.first = first;
    head.model.model = spec.model;
    head.model.batch_norm = spec.batch_norm;
    head.model.example_shape = data.shape();
    head.model.classes = data.classes();
    head.model.from = section == 0 ? 0 : sections[section - 1].end;
    head.model.input_shape = section == 0 ? data.shape() : sections[section - 1].output_shape;
    for (; section < ends[i]; ++section) head.parameters += sections[section].parameters;
    head.model.to = sections[section - 1].end;
    head.model.output_shape = sections[section - 1].output_shape;
    NDCAO_ASSIGN(head.model.module, CutModule(spec.model, head.model.from, head.model.to));
    first += head.parameters;
    heads.push_back(std::move(head));
  }
  std::uint64_t widest = 0;
  for (std::size_t i = 0; i + 1 < heads.size(); ++i) {
    widest = std::max(widest, ValuesOf(heads[i].model.output_shape));
  }
  for (StageHead& head : heads) head.widest = widest;
  if (first == setup.initial.size()) return heads;
  return Invalid(fmt::format(
      "--model {}: it cannot be cut into stages: parameters of different modules are tied",
      spec.model));
}

// Where each stage probes, and what that makes of the batches that pass through.
Status PlanFlow(const Flags& flags, const RunSetup& setup, std::vector<StageHead>& heads) {
  const RunSpec& spec = setup.spec;
  NDCAO_ASSIGN(const auto objective, MakeObjective(spec.objective));
  if (!objective->per_example()) {
    return Invalid(
        fmt::format("--objective {}: it has no loss for each example, which stages that probe "
                    "activations need; "
                    "use --probe weights",
                    spec.objective));
  }
  BatchFlow flow{flags.in_flight.value_or(1), flags.keep_every.value_or(100), {}};
  std::vector<ProbePlan> plans;
  for (const StageHead& head : heads) {
    const Objective* at_the_end = head.stage == head.stages ? objective.get() : nullptr;
    NDCAO_ASSIGN(const auto stage, MakeActivationStage(head.model, 0, at_the_end));
    plans.push_back(stage->plan());
    flow.probed.push_back(stage->probed_sites());
  }
  const std::uint64_t passes = 1 + std::uint64_t{spec.activation.probes} * flow.sites();
  if (passes * spec.shape.slots > (1 << 16)) {
    return Invalid(fmt::format("--slots {}: with {} passes of a slot that is more than {} messages",
                               spec.shape.slots, passes, 1 << 16));
  }
  for (std::size_t i = 0; i < heads.size(); ++i) {
    StageHead& head = heads[i];
    head.flow = flow;
    const SiteTable sites = StageTableOf(plans[i], head);
    if (!plans[i].unprobed.empty()) {
      const UnprobedTensor& first = plans[i].unprobed.front();
      return Invalid(fmt::format(
          "--probe activations: '{}' has no place to be probed ({}), and stages train only what "
          "has; use --probe weights, or one process ('ndcao train')",
          head.layout.tensors()[head.first_tensor() + first.tensor].name, first.reason));
    }
    ParameterVector part(heads[i].parameters);
    NDCAO_TRY(ActivationReplica::Create(spec, head.layout, std::move(part), sites, head.slice()));
  }
  return Ok();
}

// What all files of a split share, and the hash that names it.
void SealHeads(const RunSetup& setup, std::vector<StageHead>& heads) {
  const std::string spec = FormatRunSpec(setup.spec);
  const std::string digest = DigestHex(setup.initial);
  std::string name = spec + digest;
  for (const StageHead& head : heads) name += fmt::format(" {}", head.first + head.parameters);
  if (const BatchFlow& flow = heads.front().flow; flow.in_flight > 0) {
    name += fmt::format(" in flight {}, kept every {}", flow.in_flight, flow.keep_every);
  }
  for (StageHead& head : heads) {
    head.spec = spec;
    head.initial_digest = digest;
    head.split = Hash64(name);
  }
}

// What a trained stage has kept is worth nothing without its file.
Status CheckUntrained(const Flags& flags, const std::vector<StageHead>& heads) {
  for (const StageHead& head : heads) {
    const std::string kept = StageDirectory(StagePath(flags.out, head.stage));
    std::error_code error;
    if (!std::filesystem::exists(kept, error)) continue;
    return Invalid(
        fmt::format("--out {}: a stage has been trained there ('{}'); name another directory",
                    flags.out, kept));
  }
  return Ok();
}

Status WriteFiles(const Flags& flags, const RunSetup& setup, std::vector<StageHead>& heads) {
  std::error_code error;
  std::filesystem::create_directories(flags.out, error);
  if (error) {
    return Invalid(fmt::format("--out {}: it cannot be made: {}", flags.out, error.message()));
  }
  for (StageHead& head : heads) {
    const auto values = std::span<const float>(setup.initial).subspan(head.first, head.parameters);
    head.values_hash = Hash64(std::as_bytes(values));
    NDCAO_TRY(WriteStageFile(StagePath(flags.out, head.stage), head, values));
  }
  return Ok();
}

void Print(const Flags& flags, const RunSetup& setup, const std::vector<StageHead>& heads) {
  nlohmann::ordered_json json;
  json["split"] = Hex(heads.front().split);
  json["digest"] = heads.front().initial_digest;
  json["parameters"] = setup.initial.size();
  json["batch"] = setup.spec.batch;
  json["budget"] = setup.spec.budget;
  json["stages"] = nlohmann::ordered_json::array();
  for (const StageHead& head : heads) {
    const std::string path = StagePath(flags.out, head.stage);
    json["stages"].push_back({{"file", path},
                              {"parameters", head.parameters},
                              {"inputs", ValuesOf(head.model.input_shape)},
                              {"outputs", ValuesOf(head.model.output_shape)}});
    if (flags.json) continue;
    fmt::print("{}  {} parameters, {} values in, {} out\n", path, head.parameters,
               ValuesOf(head.model.input_shape), ValuesOf(head.model.output_shape));
  }
  if (flags.json) fmt::print("{}\n", json.dump());
}

Status RefuseWhatStagesLack(const RunSpec& spec) {
  if (spec.precision != "float32") {
    return Invalid(fmt::format("--precision {}: the stages of a partitioned run compute in float32",
                               spec.precision));
  }
  if (spec.audit) {
    return Invalid(
        fmt::format("--audit {}: in a partitioned run no worker can evaluate a group alone, so "
                    "none is audited; "
                    "only 0 is allowed",
                    *spec.audit));
  }
  return Ok();
}

Result<int> Split(const Flags& flags) {
  const bool probing = flags.run.probe == "activations";
  NDCAO_TRY(Belongs(flags.in_flight.has_value(), "--in-flight", probing, "--probe activations"));
  NDCAO_TRY(Belongs(flags.keep_every.has_value(), "--keep-every", probing, "--probe activations"));
  NDCAO_ASSIGN(const std::vector<std::uint32_t> periods, ReadPeriods(flags));
  NDCAO_ASSIGN(RunSetup setup, SetUpRun(WithPeriods(flags.run, periods)));
  if (setup.spec.model.empty()) {
    return Invalid(
        fmt::format("--objective {}: only a network can be cut into stages", setup.spec.objective));
  }
  NDCAO_TRY(RefuseWhatStagesLack(setup.spec));
  NDCAO_ASSIGN(const auto data, LoadRunData(setup.spec, flags.run.data_dir));
  NDCAO_ASSIGN(std::vector<StageHead> heads, MakeHeads(flags, setup, *data));
  for (std::size_t i = 0; i < periods.size(); ++i) {
    setup.spec.clock.stretches.push_back({heads[i].first + heads[i].parameters, periods[i]});
  }
  NDCAO_TRY(setup.spec.Validate());
  // The replicas check blocks and options before anything is written.
  const bool weights = setup.spec.probe == ProbeTarget::kWeights;
  if (!weights) NDCAO_TRY(PlanFlow(flags, setup, heads));
  for (const StageHead& head : heads) {
    if (!weights) break;
    const auto begin = setup.initial.begin() + static_cast<std::ptrdiff_t>(head.first);
    ParameterVector part(begin, begin + static_cast<std::ptrdiff_t>(head.parameters));
    NDCAO_TRY(Replica::Create(setup.spec, head.layout, std::move(part), head.slice()));
  }
  NDCAO_TRY(CheckUntrained(flags, heads));
  SealHeads(setup, heads);
  NDCAO_TRY(WriteFiles(flags, setup, heads));
  Print(flags, setup, heads);
  return kExitDone;
}

}  // namespace

void AddSplit(CLI::App& app, Action& action) {
  CLI::App* verb = app.add_subcommand(
      "split",
      "Cut a network into stage files, each with its own parameters and nobody else's, for hosts\n"
      "that train it together: 'ndcao stage' runs one (docs/partitioned.md).");
  auto flags = std::make_shared<Flags>();
  verb->add_option("--stages", flags->stages, "How many hosts there will be")->required();
  verb->add_option("--out", flags->out, "Where the files go: DIR/stage-1.ndcao and so on")
      ->required();
  verb->add_option("--balance", flags->balance,
                   "What stages have as equal a share of as the cuts allow")
      ->check(CLI::IsMember({"parameters", "activations"}));
  verb->add_option(
      "--update-periods", flags->update_periods,
      "With --mode async: after how many groups the blocks of each stage move (1,1,10)");
  verb->add_option(
          "--in-flight", flags->in_flight,
          "With --probe activations: batches whose losses may be awaited at a time\n(default 1)")
      ->check(CLI::Range(1, 64));
  verb->add_option("--keep-every", flags->keep_every,
                   "With --probe activations: batches between two states that all stages keep, to\n"
                   "which they go back when one of them dies (default 100)")
      ->check(CLI::Range(1, 1000000));
  AddRunOptions(*verb, flags->run);
  verb->add_flag("--json", flags->json, "Print one JSON object");
  SetAction(*verb, action, [flags] { return Split(*flags); });
}

}  // namespace ndcao
