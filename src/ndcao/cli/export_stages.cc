#include "ndcao/cli/export_stages.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "ndcao/activation/activation_replica.h"
#include "ndcao/base/hash.h"
#include "ndcao/cli/kept_fold.h"
#include "ndcao/cli/stage_files.h"
#include "ndcao/journal/file/snapshot_store.h"
#include "ndcao/replica/replica.h"

namespace ndcao {
namespace {

struct Folded {
  std::shared_ptr<const ParameterVector> parameters;
  std::uint64_t groups = 0;  ///< Or batches.
};

Result<Folded> ReadStage(const std::string& path, const StageHead& head, const RunSpec& spec) {
  const bool activations = spec.probe == ProbeTarget::kActivations;
  const SnapshotStore store(StageDirectory(path), activations ? head.split : SpecHashOf(head));
  const auto snapshot = store.ReadNewest(~Offset{0});
  if (!snapshot) {
    NDCAO_ASSIGN(StageFile stage, ReadStageFile(path, true));
    return Folded{std::make_shared<ParameterVector>(std::move(stage.values)), 0};
  }
  if (activations) {
    NDCAO_ASSIGN(auto state, ActivationReplica::Read(snapshot->bytes));
    return Folded{std::make_shared<ParameterVector>(std::move(state.first)), state.second.steps};
  }
  NDCAO_ASSIGN(const KeptFold kept, KeptFold::Decode(snapshot->bytes));
  NDCAO_ASSIGN(const Replica replica,
               Replica::Restore(spec, head.layout, kept.replica, head.slice()));
  return Folded{replica.parameters(), replica.counters().groups};
}

}  // namespace

Result<JoinedStages> JoinStages(const std::string& directory) {
  JoinedStages joined;
  std::uint64_t split = 0;
  std::uint32_t stages = 1;
  for (std::uint32_t i = 1; i <= stages; ++i) {
    const std::string path = StagePath(directory, i);
    std::error_code error;
    if (!std::filesystem::exists(path, error)) {
      return Invalid(fmt::format("--stages {}: there is no {}", directory, path));
    }
    NDCAO_ASSIGN(const StageFile file, ReadStageFile(path, false));
    const StageHead& head = file.head;
    if (i == 1) {
      split = head.split;
      stages = head.stages;
      NDCAO_ASSIGN(joined.spec, ReadRunSpec(head.spec));
      joined.parameters.resize(head.layout.size());
    }
    if (head.split != split || head.stage != i) {
      return Invalid(
          fmt::format("--stages {}: {} is stage {} of the split {}, but stage 1 is of {}",
                      directory, path, head.stage, Hex(head.split), Hex(split)));
    }
    Result<Folded> folded = ReadStage(path, head, joined.spec);
    if (!folded.ok()) return folded.error().Context(path);
    if (i == 1) joined.groups = folded.value().groups;
    if (folded.value().groups != joined.groups) {
      return Invalid(fmt::format(
          "--stages {}: stage {} has been kept after {} {}, stage 1 after {}; let the run end, "
          "or stop all stages and start them again",
          directory, i, folded.value().groups,
          joined.spec.probe == ProbeTarget::kActivations ? "batches" : "groups", joined.groups));
    }
    std::ranges::copy(*folded.value().parameters,
                      joined.parameters.begin() + static_cast<std::ptrdiff_t>(head.first));
  }
  if (joined.groups > 0) return joined;
  return Failed(
      fmt::format("--stages {}: the stages have kept nothing yet; they do so while they train and "
                  "when they end",
                  directory));
}

}  // namespace ndcao
