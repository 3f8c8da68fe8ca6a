// ndcao stage: one host's part of a partitioned run.
#include <fmt/format.h>
#include <sys/resource.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "ndcao/base/hash.h"
#include "ndcao/base/log.h"
#include "ndcao/cli/command.h"
#include "ndcao/cli/interrupt.h"
#include "ndcao/cli/kept_fold.h"
#include "ndcao/cli/progress.h"
#include "ndcao/cli/run_location.h"
#include "ndcao/cli/stage_claim.h"
#include "ndcao/cli/stage_files.h"
#include "ndcao/cli/train_run.h"
#include "ndcao/evaluate/torch/runtime.h"
#include "ndcao/evaluate/torch/stage_model.h"
#include "ndcao/journal/file/snapshot_store.h"
#include "ndcao/journal/nats/names.h"
#include "ndcao/partitioned/stage_worker.h"

namespace ndcao {
namespace {

using std::chrono::milliseconds;

struct Flags {
  std::string file;
  std::string out;
  RunLocation location;
  std::string data_dir;
  std::uint32_t window = 16;
  double snapshot_seconds = 20;
  double delay_ms = 0;
  bool json = false;
  bool quiet = false;
};

/// One stage of one run, with all that it works with.
class StageRun {
 public:
  explicit StageRun(const Flags& flags) : flags_(flags) {}

  Result<int> Work();

 private:
  Status Open();
  Status CheckRun();
  Status OpenJournal();
  Status Restore();
  Status BeginJournal();
  Status LoadPart();
  StageOptions Options();
  void SaveSnapshot();
  void Progress(const Entry& entry);
  void Print(const StageResult& result) const;

  const StageHead& head() const { return stage_.head; }
  bool first() const { return head().stage == 1; }
  bool last() const { return head().stage == head().stages; }

  const Flags& flags_;
  StageFile stage_;
  RunSpec spec_;
  std::string kept_;  // where snapshots are
  std::string name_;  // that it joins and publishes with
  std::unique_ptr<RunServer> server_;
  std::unique_ptr<StageClaim> claim_;
  std::unique_ptr<NatsJournal> journal_;
  std::unique_ptr<Channel> channel_;
  std::optional<Replica> replica_;
  std::unique_ptr<StageNetwork> network_;
  std::shared_ptr<const Dataset> data_;   // of the first stage
  std::unique_ptr<Objective> objective_;  // of the last
  std::optional<ProgressDisplay> display_;
  double train_loss_ = NAN;  // running mean of what was folded in this life
  double first_loss_ = NAN;
  std::optional<MarkRecord> ending_;
  std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point last_snapshot_;
  std::uint64_t initial_forwards_ = 0;
};

Result<int> StageRun::Work() {
  NDCAO_TRY(Open());
  NDCAO_TRY(LoadPart());
  const StageOptions options = Options();
  StageWorker worker(*journal_, *replica_, *network_, *channel_, options);
  if (first()) worker.BeFirst(*data_);
  if (last()) worker.BeLast(*objective_, static_cast<std::uint64_t>(head().model.classes));
  display_.emplace(flags_.quiet, fmt::format("stage {}", head().stage));
  start_ = last_snapshot_ = std::chrono::steady_clock::now();
  initial_forwards_ = replica_->counters().image_forwards;
  const Result<StageResult> result = worker.Run();
  display_->Finish();
  const bool stopped = Interrupted() && (!result.ok() || result.value().cancelled);
  if (!result.ok() && !stopped) {
    return result.error().Context(fmt::format("run {}", flags_.location.run));
  }
  if (result.ok()) SaveSnapshot();
  if (stopped) {
    spdlog::warn("stopped; nothing is lost. Go on with the same command");
    return kExitInterrupted;
  }
  Print(result.value());
  return kExitDone;
}

Status StageRun::Open() {
  NDCAO_TRY(CheckName("--run", flags_.location.run));
  if (!flags_.location.on_server()) {
    return Invalid(fmt::format("--journal {}: expected nats://HOST:PORT; stages meet on a server",
                               flags_.location.journal));
  }
  NDCAO_ASSIGN(stage_, ReadStageFile(flags_.file, true));
  NDCAO_ASSIGN(spec_, ParseRunSpec(head().spec));
  kept_ = flags_.out.empty() ? StageDirectory(flags_.file) : flags_.out;
  RunLocation location = flags_.location;
  // All lives of a stage publish under one name, so that one may journal what another began.
  if (location.nats.writer == NatsOptions().writer) {
    location.nats.writer = fmt::format("stage-{}", head().stage);
  }
  name_ = location.nats.writer;
  NDCAO_ASSIGN(server_, ConnectTo(location));
  NDCAO_TRY(CheckRun());
  NDCAO_ASSIGN(claim_,
               StageClaim::Take(*server_, flags_.location.run, head().stage, head().stages));
  NDCAO_TRY(OpenJournal());
  NDCAO_ASSIGN(channel_, server_->OpenChannel(flags_.location.run, head().stage));
  return Ok();
}

// Begins the run if this stage is the first to come, and checks that the others are of one split.
Status StageRun::CheckRun() {
  const std::string& run = flags_.location.run;
  NDCAO_TRY(server_->PrepareRun(run));
  nlohmann::ordered_json json;
  json["spec"] = head().spec;
  json["parameters"] = head().layout.size();
  json["initial"] = head().initial_digest;
  json["split"] = Hex(head().split);
  json["stages"] = head().stages;
  NDCAO_TRY(server_->Create(SpecKey(run), json.dump()));
  NDCAO_ASSIGN(const auto text, server_->Get(SpecKey(run)));
  const auto theirs = nlohmann::json::parse(text.value_or(""), nullptr, false);
  if (!theirs.is_object() || !theirs.contains("split")) {
    return Invalid(
        fmt::format("--run {}: a run of this name exists, and it is not partitioned; "
                    "choose another name",
                    run));
  }
  if (theirs["split"] == json["split"]) return Ok();
  return Invalid(fmt::format(
      "--file {}: it belongs to the split {}, but run '{}' was begun with the split {}; all stages "
      "of a run come from one 'ndcao split'",
      flags_.file, Hex(head().split), run, theirs["split"].get<std::string>()));
}

// At the newest snapshot that fits the journal, or at record 0.
Status StageRun::OpenJournal() {
  NDCAO_TRY(Restore());
  // A snapshot of a run that has spent its budget may lie behind the mark that ends it.
  if (replica_ && !replica_->done()) {
    stage_.values = {};
    return Ok();
  }
  NDCAO_ASSIGN(journal_, server_->OpenJournal(flags_.location.run, {}));
  NDCAO_TRY(BeginJournal());
  NDCAO_ASSIGN(replica_,
               Replica::Create(spec_, head().layout, std::move(stage_.values), head().slice()));
  return Ok();
}

Status StageRun::Restore() {
  const SnapshotStore store(kept_, SpecHashOf(head()));
  Offset most = ~Offset{0};
  while (const auto snapshot = store.ReadNewest(most)) {
    Result<KeptFold> kept = KeptFold::Decode(snapshot->bytes);
    if (kept.ok()) {
      auto journal = server_->OpenJournal(flags_.location.run, kept.value().checkpoint);
      Result<Replica> replica =
          Replica::Restore(spec_, head().layout, kept.value().replica, head().slice());
      if (journal.ok() && replica.ok()) {
        journal_ = std::move(journal).value();
        replica_ = std::move(replica).value();
        return Ok();
      }
    }
    spdlog::warn("the snapshot at record {} in {} does not fit the journal and is passed over",
                 snapshot->offset, kept_);
    if (snapshot->offset == 0) break;
    most = snapshot->offset - 1;
  }
  return Ok();
}

// Two stages may do so at once: the second record 0 counts for nothing.
Status StageRun::BeginJournal() {
  NDCAO_ASSIGN(const Offset end, journal_->End());
  if (end > 0) return Ok();
  const auto appended =
      journal_->Append(SpecRecord{head().spec, head().layout.size(), head().initial_digest});
  if (appended.ok() || appended.error().code() == ErrorCode::kConflict) return Ok();
  return appended.error();
}

Status StageRun::LoadPart() {
  InitTorch();
  NDCAO_ASSIGN(network_, MakeStageNetwork(head().model));
  if (network_->parameters().size() != head().parameters) {
    return Corrupt(fmt::format("--file {}: its part of the network has {} parameters, not {}",
                               flags_.file, network_->parameters().size(), head().parameters));
  }
  if (first()) {
    NDCAO_ASSIGN(data_, LoadRunData(spec_, flags_.data_dir));
  }
  if (last()) {
    NDCAO_ASSIGN(objective_, MakeObjective(spec_.objective));
  }
  return Ok();
}

StageOptions StageRun::Options() {
  StageOptions options;
  options.stage = head().stage;
  options.stages = head().stages;
  options.outputs = ValuesOf(head().model.output_shape);
  options.widest = head().widest;
  options.name = name_;
  options.pace.window = flags_.window;
  options.delay = milliseconds(static_cast<long>(flags_.delay_ms));
  options.end_note = kBudgetUsedUp;
  const milliseconds patience(static_cast<long>(1000 * flags_.location.patience));
  options.tick = [this, patience] { return claim_->Check(patience); };
  options.peers = [this] { return claim_->peers(); };
  options.on_join = [this](WorkerId worker) { claim_->SetWorker(worker); };
  options.on_entry = [this](const Replica&, const Entry& entry) { Progress(entry); };
  options.stop_requested = Interrupted;
  return options;
}

void StageRun::Progress(const Entry& entry) {
  if (const auto* mark = std::get_if<MarkRecord>(&entry.record)) {
    if (mark->note == kBudgetUsedUp) ending_ = *mark;
  }
  const auto* group = std::get_if<GroupRecord>(&entry.record);
  if (group == nullptr) return;
  if (std::isfinite(group->centre)) {
    if (std::isnan(first_loss_)) first_loss_ = group->centre;
    train_loss_ =
        std::isnan(train_loss_) ? group->centre : 0.98 * train_loss_ + 0.02 * group->centre;
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
  const double since = std::chrono::duration<double>(now - last_snapshot_).count();
  if (flags_.snapshot_seconds > 0 && since >= flags_.snapshot_seconds) SaveSnapshot();
}

void StageRun::SaveSnapshot() {
  last_snapshot_ = std::chrono::steady_clock::now();
  const Offset offset = replica_->next_offset();
  const auto checkpoint = journal_->CheckpointBefore(offset);
  if (!checkpoint) return;
  const KeptFold kept{offset, *checkpoint, replica_->Snapshot()};
  std::error_code error;
  std::filesystem::create_directories(kept_ + "/snapshots", error);
  const Status saved =
      SnapshotStore(kept_, SpecHashOf(head())).Write(offset, replica_->chain(), kept.Encode());
  if (!saved.ok()) spdlog::warn("no snapshot: {}", saved.error().message());
}

void StageRun::Print(const StageResult& result) const {
  const ReplicaCounters& counters = replica_->counters();
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto number = [](double x) {
    return std::isfinite(x) ? nlohmann::json(x) : nlohmann::json(nullptr);
  };
  nlohmann::ordered_json json;
  json["stage"] = head().stage;
  json["stages"] = head().stages;
  json["test_accuracy"] = number(ending_ ? ending_->test_accuracy : NAN);
  json["test_loss"] = number(ending_ ? ending_->test_loss : NAN);
  json["train_loss"] = number(train_loss_);
  json["first_loss"] = number(first_loss_);
  json["image_forwards"] = counters.image_forwards;
  json["image_forwards_wasted"] = counters.image_forwards_wasted;
  json["groups"] = counters.groups;
  json["stale"] = counters.stale;
  json["wall_seconds"] = result.seconds;
  json["parameters"] = head().parameters;
  json["resident_parameter_bytes"] = replica_->parameters()->size() * sizeof(float);
  json["peak_memory_bytes"] = static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
  json["examples_sent"] = result.traffic.examples;
  json["activation_bytes_sent"] = result.traffic.activation_bytes;
  json["other_bytes_sent"] = result.traffic.other_bytes;
  json["journal_bytes"] = journal_->bytes();
  json["trials_repeated"] = result.repeats;
  json["digest"] = replica_->digest();
  if (flags_.json) {
    fmt::print("{}\n", json.dump());
  } else if (!flags_.quiet) {
    fmt::print("stage {} of {}: {} groups, test accuracy {:.2f} %\n", head().stage, head().stages,
               counters.groups, 100 * (ending_ ? ending_->test_accuracy : NAN));
  }
}

}  // namespace

void AddStage(CLI::App& app, Action& action) {
  CLI::App* verb = app.add_subcommand(
      "stage",
      "Train one stage of a partitioned run, as 'ndcao split' cut it. The stages of a run meet on\n"
      "a server; each holds its own parameters and nobody else's (docs/partitioned.md). A stage\n"
      "that was stopped or killed goes on with the same command.");
  auto flags = std::make_shared<Flags>();
  verb->add_option("--file", flags->file, "The stage file")->required();
  AddJournalOptions(*verb, flags->location, "Where the stages meet: nats://HOST:PORT");
  verb->get_option("--journal")->required();
  verb->add_option("--run", flags->location.run,
                   "The run's name on the server; begun if there is none yet")
      ->required();
  verb->add_option("--out", flags->out,
                   "Where snapshots of this stage go (default: next to the stage file, .kept)");
  verb->add_option("--data-dir", flags->data_dir, "Stage 1: where the data set's files lie");
  verb->add_option("--window", flags->window,
                   "Stage 1: messages of activations that may be under way")
      ->check(CLI::Range(1, 1024));
  verb->add_option("--snapshot-seconds", flags->snapshot_seconds,
                   "Time between snapshots, from which the stage starts again (0: at the end only)")
      ->check(CLI::NonNegativeNumber);
  verb->add_flag("--json", flags->json, "End standard output with one JSON object");
  verb->add_flag("--quiet", flags->quiet, "No progress display");
  verb->add_option("--delay-ms", flags->delay_ms)->group("");  // for tests: a slow stage
  SetAction(*verb, action, [flags] { return StageRun(*flags).Work(); });
}

}  // namespace ndcao
