// A stage of a run that probes weights: a fold of the journal that holds its own slice.
#include <fmt/format.h>

#include <cmath>
#include <filesystem>

#include "ndcao/base/log.h"
#include "ndcao/cli/command.h"
#include "ndcao/cli/kept_fold.h"
#include "ndcao/cli/progress.h"
#include "ndcao/cli/score_json.h"
#include "ndcao/cli/stage_host.h"
#include "ndcao/evaluate/torch/stage_model.h"
#include "ndcao/journal/file/snapshot_store.h"
#include "ndcao/partitioned/stage_worker.h"

namespace ndcao {
namespace {

class StageRun {
 public:
  explicit StageRun(StageHost& host) : host_(host) {}

  Result<int> Work();

 private:
  Status OpenJournal();
  Status Restore();
  void SaveSnapshot();
  void Progress(const Entry& entry);
  nlohmann::ordered_json Describe(const StageResult& result) const;

  const StageHead& head() const { return host_.head(); }

  StageHost& host_;
  std::unique_ptr<NatsJournal> journal_;
  std::optional<Replica> replica_;
  std::optional<ProgressDisplay> display_;
  double train_loss_ = NAN;  // running mean of what was folded in this life
  double first_loss_ = NAN;
  std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point last_snapshot_;
  std::uint64_t initial_forwards_ = 0;
};

Result<int> StageRun::Work() {
  NDCAO_TRY(OpenJournal());
  NDCAO_ASSIGN(const auto network, MakeStageNetwork(head().model));
  NDCAO_TRY(host_.CheckParameters(network->parameters().size()));
  NDCAO_ASSIGN(const auto data, host_.LoadData());
  NDCAO_ASSIGN(const auto objective, host_.LoadObjective());
  StageOptions options;
  host_.Fill(options);
  options.pace.window = host_.flags().window;
  options.on_entry = [this](const Replica&, const Entry& entry) { Progress(entry); };
  StageWorker worker(*journal_, *replica_, *network, host_.channel(), options);
  if (data) worker.BeFirst(*data);
  if (objective) worker.BeLast(*objective, static_cast<std::uint64_t>(head().model.classes));
  display_.emplace(host_.flags().quiet, fmt::format("stage {}", head().stage));
  start_ = last_snapshot_ = std::chrono::steady_clock::now();
  initial_forwards_ = replica_->counters().image_forwards;
  const Result<StageResult> result = worker.Run();
  display_->Finish();
  if (result.ok()) SaveSnapshot();
  if (const auto broken = host_.Broken(result)) return *broken;
  host_.Print(Describe(result.value()));
  return kExitDone;
}

// At the newest snapshot that fits the journal, or at record 0.
Status StageRun::OpenJournal() {
  NDCAO_TRY(Restore());
  // A snapshot of a run that has spent its budget may lie behind the mark that ends it.
  if (replica_ && !replica_->done()) {
    return Ok();
  }
  NDCAO_ASSIGN(journal_, host_.OpenJournal());
  NDCAO_ASSIGN(ParameterVector values, host_.TakeValues());
  NDCAO_ASSIGN(replica_,
               Replica::Create(host_.spec(), head().layout, std::move(values), head().slice()));
  return Ok();
}

Status StageRun::Restore() {
  const SnapshotStore store(host_.kept(), SpecHashOf(head()));
  Offset most = ~Offset{0};
  while (const auto snapshot = store.ReadNewest(most)) {
    Result<KeptFold> kept = KeptFold::Decode(snapshot->bytes);
    if (kept.ok()) {
      auto journal = host_.server().OpenJournal(host_.run(), kept.value().checkpoint);
      Result<Replica> replica =
          Replica::Restore(host_.spec(), head().layout, kept.value().replica, head().slice());
      if (journal.ok() && replica.ok()) {
        const Status fits = journal.value()->CheckChain(snapshot->offset, replica.value().chain());
        if (fits.ok()) {
          journal_ = std::move(journal).value();
          replica_ = std::move(replica).value();
          return Ok();
        }
        if (fits.error().code() != ErrorCode::kCorrupt) return fits;
      }
    }
    spdlog::warn("the snapshot at record {} in {} does not fit the journal and is passed over",
                 snapshot->offset, host_.kept());
    if (snapshot->offset == 0) break;
    most = snapshot->offset - 1;
  }
  return Ok();
}

void StageRun::Progress(const Entry& entry) {
  const auto* group = std::get_if<GroupRecord>(&entry.record);
  if (group == nullptr) return;
  if (const double loss = GroupLoss(*group); std::isfinite(loss)) {
    if (std::isnan(first_loss_)) first_loss_ = loss;
    train_loss_ = std::isnan(train_loss_) ? loss : 0.98 * train_loss_ + 0.02 * loss;
  }
  const auto now = std::chrono::steady_clock::now();
  SessionProgress progress;
  progress.seconds = std::chrono::duration<double>(now - start_).count();
  const ReplicaCounters& counters = replica_->counters();
  progress.fraction = static_cast<double>(counters.groups) / replica_->horizon();
  progress.image_forwards = counters.image_forwards;
  progress.train_loss = train_loss_;
  progress.images_per_second = static_cast<double>(counters.image_forwards - initial_forwards_) /
                               std::max(progress.seconds, 1e-9);
  display_->Update(progress);
  host_.Beat(progress);
  const double since = std::chrono::duration<double>(now - last_snapshot_).count();
  if (host_.flags().snapshot_seconds > 0 && since >= host_.flags().snapshot_seconds) SaveSnapshot();
}

void StageRun::SaveSnapshot() {
  last_snapshot_ = std::chrono::steady_clock::now();
  const Offset offset = replica_->next_offset();
  const auto checkpoint = journal_->CheckpointBefore(offset);
  if (!checkpoint) return;
  const KeptFold kept{offset, *checkpoint, replica_->Snapshot()};
  std::error_code error;
  std::filesystem::create_directories(host_.kept() + "/snapshots", error);
  const Status saved = SnapshotStore(host_.kept(), SpecHashOf(head()))
                           .Write(offset, replica_->chain(), kept.Encode());
  if (!saved.ok()) spdlog::warn("no snapshot: {}", saved.error().message());
}

nlohmann::ordered_json StageRun::Describe(const StageResult& result) const {
  const ReplicaCounters& counters = replica_->counters();
  nlohmann::ordered_json json = host_.Describe(result, replica_->parameters()->size());
  json["train_loss"] = JsonNumber(train_loss_);
  json["first_loss"] = JsonNumber(first_loss_);
  json["image_forwards"] = counters.image_forwards;
  json["image_forwards_wasted"] = counters.image_forwards_wasted;
  json["groups"] = counters.groups;
  json["stale"] = counters.stale;
  json["journal_bytes"] = journal_->bytes();
  json["trials_repeated"] = result.repeats;
  json["digest"] = replica_->digest();
  return json;
}

}  // namespace

Result<int> TrainWeightStage(StageHost& host) { return StageRun(host).Work(); }

}  // namespace ndcao
