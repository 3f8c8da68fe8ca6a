// ndcao inspect of a run that probes activations.
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <set>

#include "ndcao/base/hash.h"
#include "ndcao/cli/activation_run.h"
#include "ndcao/cli/command.h"
#include "ndcao/cli/files.h"
#include "ndcao/cli/progress.h"
#include "ndcao/worker/activation_session.h"

namespace ndcao {
namespace {

using Json = nlohmann::ordered_json;

const char* NameOf(SiteKind kind) {
  switch (kind) {
    case SiteKind::kOutput:
      return "outputs";
    case SiteKind::kWeights:
      return "weights of each example";
    case SiteKind::kActivations:
      break;
  }
  return "activations";
}

bool Overlaps(const Slice& slice, const Tensor& tensor) {
  return std::any_of(slice.runs().begin(), slice.runs().end(), [&](const Run& run) {
    return run.global < tensor.offset + tensor.size && tensor.offset < run.global + run.length;
  });
}

/// "fc1 (activations), norm1.weight (its weights: used by aten::layer_norm)"
std::string ProbesOf(const Block& block, const Layout& layout, const ProbePlan& plan) {
  std::vector<std::string> parts;
  for (const ProbeSite& site : plan.sites) {
    const bool concerned =
        std::any_of(site.tensors.begin(), site.tensors.end(),
                    [&](std::size_t i) { return Overlaps(block.slice, layout.tensors()[i]); });
    if (concerned) parts.push_back(fmt::format("{} of {}", NameOf(site.kind), site.name));
  }
  for (const UnprobedTensor& tensor : plan.unprobed) {
    const Tensor& shown = layout.tensors()[tensor.tensor];
    if (!Overlaps(block.slice, shown)) continue;
    parts.push_back(fmt::format("weights {}: {}", shown.name, tensor.reason));
  }
  return fmt::format("{}", fmt::join(parts, "; "));
}

void PrintSites(const ProbePlan& plan, const std::optional<ActivationReplica>& replica,
                std::uint32_t probes) {
  fmt::print("\nsites {:>23}  {:<14} {:<24} {:>8} {:>8} {:>8} {:>6} {:>6}\n", "", "operation",
             "probes", "units", "columns", "inputs", "rerun", "R2");
  for (std::size_t i = 0; i < plan.sites.size(); ++i) {
    const ProbeSite& site = plan.sites[i];
    const bool learns = replica && !replica->estimators()[i].values().empty();
    const std::string inputs =
        site.inputs.empty() ? "-" : fmt::format("{}", fmt::join(site.inputs, "+"));
    fmt::print("  {:<27}  {:<14} {:<24} {:>8} {:>8} {:>8} {:>4.0f} % {:>6}\n", site.name,
               site.operation, NameOf(site.kind), site.units, site.columns, inputs,
               100 * site.rerun,
               learns ? fmt::format("{:.2f}", replica->estimators()[i].foreseen()) : "-");
  }
  fmt::print(
      "\neach but the outputs is probed {} in a step; {};\n"
      "inputs: how many the weights of an output have, where what inputs have in common is "
      "undone\n",
      probes == 1 ? "once" : fmt::format("{} times", probes),
      plan.whole_passes.empty()
          ? "a probe re-runs the operations that depend on what it changed"
          : "every probe is a whole forward pass, because " + plan.whole_passes);
}

}  // namespace

std::string FormatProbePlan(const ProbePlan& plan) {
  Json json;
  json["features"] = plan.features;
  json["whole_passes"] = plan.whole_passes;
  json["sites"] = Json::array();
  for (const ProbeSite& site : plan.sites) {
    json["sites"].push_back({{"name", site.name},
                             {"operation", site.operation},
                             {"kind", static_cast<int>(site.kind)},
                             {"probes", NameOf(site.kind)},
                             {"tensors", site.tensors},
                             {"units", site.units},
                             {"columns", site.columns},
                             {"inputs", site.inputs},
                             {"calls", site.calls},
                             {"rerun", site.rerun}});
  }
  json["unprobed"] = Json::array();
  for (const UnprobedTensor& tensor : plan.unprobed) {
    json["unprobed"].push_back({{"tensor", tensor.tensor}, {"reason", tensor.reason}});
  }
  return json.dump(1) + "\n";
}

Result<ProbePlan> ParseProbePlan(const std::string& text) {
  ProbePlan plan;
  try {
    const Json json = Json::parse(text);
    plan.features = json.at("features");
    plan.whole_passes = json.at("whole_passes");
    for (const auto& site : json.at("sites")) {
      plan.sites.push_back({site.at("name"),
                            site.at("operation"),
                            static_cast<SiteKind>(site.at("kind").get<int>()),
                            site.at("tensors").get<std::vector<std::size_t>>(),
                            site.at("units"),
                            site.at("rerun"),
                            site.at("columns"),
                            {},
                            site.value("inputs", std::vector<std::uint64_t>()),
                            site.value("calls", std::uint64_t{1})});
    }
    for (const auto& tensor : json.at("unprobed")) {
      plan.unprobed.push_back({tensor.at("tensor"), tensor.at("reason")});
    }
  } catch (const nlohmann::json::exception& error) {
    return Corrupt(fmt::format("{}: {}", kProbesFile, error.what()));
  }
  return plan;
}

Result<int> InspectActivations(RunDirectory& run, const Layout& layout, bool partition_only,
                               bool json) {
  NDCAO_ASSIGN(const Partition partition,
               MakePartition(run.spec().blocks, run.spec().blocks_text, layout, run.spec().seed));
  if (partition_only) {
    fmt::print("{}", FormatPartition(partition));
    return kExitDone;
  }
  NDCAO_ASSIGN(const std::string text, ReadText(run.File(kProbesFile)));
  NDCAO_ASSIGN(const ProbePlan plan, ParseProbePlan(text));
  std::optional<ActivationReplica> replica;
  const auto newest = run.NewestSnapshot();
  if (newest) {
    NDCAO_ASSIGN(replica,
                 ActivationReplica::Restore(run.spec(), layout, TableOf(plan), newest->bytes));
  }
  const ActivationCounters counters = replica ? replica->counters() : ActivationCounters{};
  const std::string digest = replica ? replica->digest() : DigestHex(run.initial());
  if (json) {
    Json shown = Json::parse(FormatProbePlan(plan));
    shown["spec"] = FormatRunSpec(run.spec());
    shown["parameters"] = layout.size();
    shown["blocks"] = partition.blocks().size();
    shown["steps"] = counters.steps;
    shown["image_forwards"] = counters.image_forwards;
    shown["budget"] = replica ? replica->budget() : run.spec().budget;
    shown["digest"] = digest;
    for (std::size_t i = 0; replica && i < plan.sites.size(); ++i) {
      shown["sites"][i]["r2"] = replica->estimators()[i].foreseen();
    }
    fmt::print("{}\n", shown.dump());
    return kExitDone;
  }
  fmt::print("{}\n", FormatRunSpec(run.spec()));
  fmt::print("steps {}   forwards {} of {}\ndigest {}\n", counters.steps,
             FormatCount(static_cast<double>(counters.image_forwards)),
             FormatCount(static_cast<double>(replica ? replica->budget() : run.spec().budget)),
             digest);
  PrintSites(plan, replica, run.spec().activation.probes);
  constexpr std::size_t kShown = 20;
  fmt::print("\n{} blocks, and what they probe\n", partition.blocks().size());
  for (std::size_t i = 0; i < std::min(kShown, partition.blocks().size()); ++i) {
    const Block& block = partition.blocks()[i];
    fmt::print("  {:>4}  {:<20} {:>9} parameters  {}\n", i, block.name, block.slice.size(),
               ProbesOf(block, layout, plan));
  }
  if (partition.blocks().size() > kShown) fmt::print("  …\n");
  return kExitDone;
}

}  // namespace ndcao
