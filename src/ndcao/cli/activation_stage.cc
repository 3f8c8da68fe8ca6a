// A stage of a run that probes activations: it goes on from states that all stages have kept.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "ndcao/base/hash.h"
#include "ndcao/cli/command.h"
#include "ndcao/cli/progress.h"
#include "ndcao/cli/score_json.h"
#include "ndcao/cli/stage_host.h"
#include "ndcao/evaluate/torch/stage_model.h"
#include "ndcao/journal/file/snapshot_store.h"
#include "ndcao/partitioned/activation_worker.h"
#include "ndcao/worker/activation_session.h"

namespace ndcao {
namespace {

/// The states that a stage has kept: the newest two, by their steps.
class KeptStates {
 public:
  KeptStates(const StageHost& host, const SiteTable& sites)
      : host_(host),
        sites_(sites),
        store_(host.kept(), host.head().split),
        run_(Hash64(std::as_bytes(std::span(host.run())))) {}

  Status Open() {
    Offset most = ~Offset{0};
    while (const auto snapshot = store_.ReadNewest(most)) {
      if (snapshot->chain != run_) {
        return Invalid(fmt::format(
            "{}: it has states of another run of this split; keep this run's elsewhere (--out), or "
            "remove them",
            host_.kept()));
      }
      steps_.push_back(snapshot->offset);
      if (snapshot->offset == 0) break;
      most = snapshot->offset - 1;
    }
    return Ok();
  }

  const std::vector<std::uint64_t>& steps() const { return steps_; }

  Status Keep(const ActivationReplica& replica) {
    const std::uint64_t now = replica.counters().steps;
    std::error_code error;
    std::filesystem::create_directories(host_.kept() + "/snapshots", error);
    NDCAO_TRY(store_.Write(now, run_, replica.Snapshot()));
    std::erase(steps_, now);
    if (!steps_.empty()) steps_.resize(1);
    steps_.insert(steps_.begin(), now);
    std::ranges::sort(steps_, std::greater());
    return Ok();
  }

  Result<ActivationReplica> Read(std::uint64_t steps) {
    const StageHead& head = host_.head();
    if (steps == 0) {
      NDCAO_ASSIGN(StageFile file, ReadStageFile(host_.flags().file, true));
      return ActivationReplica::Create(host_.spec(), head.layout, std::move(file.values), sites_,
                                       head.slice());
    }
    const auto snapshot = store_.ReadNewest(steps);
    if (snapshot && snapshot->offset == steps) {
      return ActivationReplica::Restore(host_.spec(), head.layout, sites_, head.slice(),
                                        snapshot->bytes);
    }
    return Failed(fmt::format(
        "{}: the stages go back to batch {}, but the state of stage {} there is gone or damaged; "
        "train anew, under another --run",
        host_.kept(), steps, head.stage));
  }

 private:
  const StageHost& host_;
  const SiteTable sites_;
  SnapshotStore store_;
  const std::uint64_t run_;
  std::vector<std::uint64_t> steps_;  // the newest first
};

nlohmann::ordered_json Describe(const StageHost& host, const StageResult& result,
                                const ActivationReplica& replica, const ProbePlan& plan,
                                const NatsJournal& journal) {
  nlohmann::ordered_json json = host.Describe(result, replica.parameters().size());
  json["train_loss"] = JsonNumber(replica.train_loss());
  json["image_forwards"] = replica.counters().image_forwards;
  json["steps"] = replica.counters().steps;
  json["foreseen"] = ForeseenText(plan, replica);
  json["journal_bytes"] = journal.bytes();
  json["went_back"] = result.repeats;
  json["digest"] = replica.digest();
  return json;
}

}  // namespace

Result<int> TrainActivationStage(StageHost& host) {
  const StageHead& head = host.head();
  NDCAO_ASSIGN(const auto objective, host.LoadObjective());
  NDCAO_ASSIGN(const auto network,
               MakeActivationStage(head.model, head.flow.SitesBefore(head.stage), objective.get()));
  NDCAO_TRY(host.CheckParameters(network->parameters().size()));
  NDCAO_ASSIGN(const auto data, host.LoadData());
  NDCAO_ASSIGN(const auto journal, host.OpenJournal());
  KeptStates kept(host, StageTableOf(network->plan(), head));
  NDCAO_TRY(kept.Open());
  NDCAO_ASSIGN(ActivationReplica replica, kept.Read(kept.steps().empty() ? 0 : kept.steps()[0]));
  ActivationStageOptions options;
  host.Fill(options);
  options.spec = host.spec();
  options.flow = head.flow;
  options.kept = [&] { return kept.steps(); };
  options.keep = [&](const ActivationReplica& now) { return kept.Keep(now); };
  options.go_back = [&](std::uint64_t steps) { return kept.Read(steps); };
  ProgressDisplay display(host.flags().quiet, fmt::format("stage {}", head.stage));
  const auto start = std::chrono::steady_clock::now();
  const std::uint64_t before = replica.counters().image_forwards;
  options.on_step = [&](const ActivationReplica& now) {
    SessionProgress progress;
    progress.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    progress.fraction =
        static_cast<double>(now.counters().steps) / static_cast<double>(now.horizon());
    progress.image_forwards = now.counters().image_forwards;
    progress.train_loss = now.train_loss();
    progress.images_per_second =
        (static_cast<double>(progress.image_forwards) - static_cast<double>(before)) /
        std::max(progress.seconds, 1e-9);
    display.Update(progress);
    host.Beat(progress);
  };
  ActivationWorker worker(*journal, replica, *network, host.channel(), options);
  if (data) worker.BeFirst(*data);
  if (objective) worker.BeLast(*objective, static_cast<std::uint64_t>(head.model.classes));
  const Result<StageResult> result = worker.Run();
  display.Finish();
  if (const auto broken = host.Broken(result)) return *broken;
  host.Print(Describe(host, result.value(), replica, network->plan(), *journal));
  return kExitDone;
}

}  // namespace ndcao
