#include "ndcao/cli/nats_run.h"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "ndcao/base/hash.h"
#include "ndcao/base/log.h"
#include "ndcao/cli/files.h"
#include "ndcao/cli/kept_fold.h"
#include "ndcao/cli/run_command.h"
#include "ndcao/journal/codec.h"
#include "ndcao/journal/nats/names.h"

namespace ndcao {
namespace {

using std::chrono::milliseconds;

constexpr char kInitial[] = "initial";
constexpr char kModel[] = "model";
constexpr char kSnapshot[] = "snapshot";
// A run that is just being begun gets so long to have its record 0.
constexpr milliseconds kBeginning{20000};
// In a cluster, any server answers for a key, and may be a little behind the one that stored it.
constexpr milliseconds kReplication{5000};
// A value of the bucket travels in one message.
constexpr std::size_t kLargestSpec = 512 << 10;

std::string DescribeRun(const RunSetup& setup) {
  nlohmann::ordered_json json;
  json["spec"] = FormatRunSpec(setup.spec);
  json["parameters"] = setup.initial.size();
  json["initial"] = DigestHex(setup.initial);
  json["layout"] = FormatLayout(setup.problem->layout());
  return json.dump();
}

// What `get` finds, asked again for `wait` while it finds nothing.
template <typename Get>
auto Await(Get get, milliseconds wait) -> decltype(get()) {
  const auto deadline = std::chrono::steady_clock::now() + wait;
  for (;;) {
    auto found = get();
    if (!found.ok() || found.value() || std::chrono::steady_clock::now() >= deadline) return found;
    std::this_thread::sleep_for(milliseconds(50));
  }
}

}  // namespace

NatsRun::~NatsRun() {
  Leave();
  std::error_code ignored;
  if (!model_file_.empty()) std::filesystem::remove(model_file_, ignored);
}

Result<std::unique_ptr<NatsRun>> NatsRun::CreateOrJoin(std::unique_ptr<RunServer> server,
                                                       const std::string& run,
                                                       const RunSetup& setup,
                                                       const std::string& products) {
  std::unique_ptr<NatsRun> self(new NatsRun(std::move(server), run, products));
  RunServer& nats = *self->server_;
  NDCAO_ASSIGN(const auto present, nats.Get(SpecKey(run)));
  bool begun = present.has_value();
  if (!begun) {
    const std::string description = DescribeRun(setup);
    if (description.size() > kLargestSpec) {
      return Invalid(fmt::format("the run's spec has {} bytes; a server takes at most {}",
                                 description.size(), kLargestSpec));
    }
    NDCAO_TRY(nats.PrepareRun(run));
    NDCAO_ASSIGN(const bool first, nats.Create(SpecKey(run), description));
    begun = !first;
  }
  NDCAO_TRY(self->ReadSpec(kReplication));
  if (self->spec_ != setup.spec || self->digest_ != DigestHex(setup.initial)) {
    const std::string difference = DescribeDifference(self->spec_, setup.spec);
    return Invalid(fmt::format(
        "--run {}: a run of this name was begun with another spec ({}); choose another name, or "
        "join it with 'ndcao worker'",
        run, difference.empty() ? "the initial parameters differ" : difference));
  }
  self->initial_ = setup.initial;
  NDCAO_TRY(self->OpenJournal(false));
  // Whoever began it may have died before record 0.
  if (self->journal_->spec_hash() == 0) NDCAO_TRY(self->Begin(setup));
  NDCAO_TRY(self->CheckRecordZero());
  NDCAO_TRY(self->FetchModel());
  return self;
}

// What the others fetch, then record 0. Two who do so at the same time do the same.
Status NatsRun::Begin(const RunSetup& setup) {
  NDCAO_ASSIGN(const Offset end, journal_->End());
  if (end > 0) return Ok();
  const auto initial = std::as_bytes(std::span<const float>(setup.initial));
  NDCAO_TRY(server_->PutBlob(run_, kInitial, initial, "{}"));
  if (IsTorchScript(spec_.model)) {
    NDCAO_ASSIGN(const std::string model, ReadText(spec_.model));
    NDCAO_TRY(server_->PutBlob(run_, kModel, std::as_bytes(std::span(model)), "{}"));
  }
  const auto appended = journal_->Append(RecordZero());
  if (appended.ok() || appended.error().code() == ErrorCode::kConflict) return Ok();
  return appended.error();
}

Result<std::unique_ptr<NatsRun>> NatsRun::Open(std::unique_ptr<RunServer> server,
                                               const std::string& run, const std::string& products,
                                               bool from_start) {
  std::unique_ptr<NatsRun> self(new NatsRun(std::move(server), run, products));
  NDCAO_TRY(self->ReadSpec(milliseconds(0)));
  NDCAO_TRY(self->OpenJournal(from_start));
  NDCAO_TRY(self->CheckRecordZero());
  NDCAO_TRY(self->FetchInitial());
  NDCAO_TRY(self->FetchModel());
  return self;
}

SpecRecord NatsRun::RecordZero() const { return {spec_text_, layout_.size(), digest_}; }

// A key can be written again, a journal cannot: what was measured for one run is not another's.
Status NatsRun::CheckRecordZero() {
  if (journal_->spec_hash() == 0) {
    NDCAO_TRY(ReadSpecRecord(*journal_, name(), kBeginning));
  }
  if (journal_->spec_hash() == Hash64(EncodeRecord(RecordZero()))) return Ok();
  return Corrupt(
      fmt::format("{}: its journal begins with another spec than its key holds; a run that is "
                  "begun again needs another name",
                  name()));
}

Status NatsRun::ReadSpec(milliseconds wait) {
  NDCAO_ASSIGN(const auto text, Await([this] { return server_->Get(SpecKey(run_)); }, wait));
  if (!text) {
    return Invalid(fmt::format(
        "--run {}: there is no such run on {}; 'ndcao runs --journal {}' lists them, 'ndcao train' "
        "begins one",
        run_, server_->url(), server_->url()));
  }
  try {
    const auto json = nlohmann::json::parse(*text);
    if (json.contains("stages")) {
      return Invalid(fmt::format(
          "--run {}: the run is partitioned into {} stages, none of which is here; 'ndcao stage' "
          "works on one, 'ndcao export --stages' reads them",
          run_, json.at("stages").get<int>()));
    }
    spec_text_ = json.at("spec");
    NDCAO_ASSIGN(spec_, ReadRunSpec(spec_text_));
    if (spec_.probe == ProbeTarget::kActivations) {
      return Invalid(
          fmt::format("--run {}: its spec says that it probes activations, which one "
                      "process does, or the stages of a partition",
                      run_));
    }
    digest_ = json.at("initial");
    NDCAO_ASSIGN(layout_, ParseLayout(json.at("layout"), name(), json.at("parameters")));
  } catch (const nlohmann::json::exception& error) {
    return Corrupt(fmt::format("{}: its description is damaged: {}", name(), error.what()));
  }
  return Ok();
}

Status NatsRun::FetchInitial() {
  NDCAO_ASSIGN(const auto bytes,
               Await([this] { return server_->GetBlob(run_, kInitial, 0); }, kReplication));
  if (!bytes) return Corrupt(name() + ": its initial parameters are not on the server");
  initial_.resize(bytes->size() / sizeof(float));
  std::memcpy(initial_.data(), bytes->data(), initial_.size() * sizeof(float));
  if (DigestHex(initial_) == digest_) return Ok();
  return Corrupt(fmt::format("{}: the initial parameters have the digest {}, the run's is {}",
                             name(), DigestHex(initial_), digest_));
}

// A TorchScript file is part of the run: every machine works with its own copy.
Status NatsRun::FetchModel() {
  if (!IsTorchScript(spec_.model)) return Ok();
  NDCAO_ASSIGN(const auto bytes,
               Await([this] { return server_->GetBlob(run_, kModel, 0); }, kReplication));
  if (!bytes) return Corrupt(name() + ": its model file is not on the server");
  model_file_ = fmt::format("{}/ndcao-{}-{}.pt", std::filesystem::temp_directory_path().string(),
                            spec_.model_hash, getpid());
  return WriteText(model_file_, {reinterpret_cast<const char*>(bytes->data()), bytes->size()});
}

// At the newest snapshot that fits the journal, or at record 0.
Status NatsRun::OpenJournal(bool from_start) {
  snapshot_.clear();
  snapshot_offset_ = 0;
  for (int age = 0; !from_start && age < 2; ++age) {
    NDCAO_ASSIGN(const auto bytes, server_->GetBlob(run_, kSnapshot, age));
    if (!bytes) continue;
    Result<KeptFold> kept = KeptFold::Decode(*bytes);
    if (kept.ok()) {
      auto journal = server_->OpenJournal(run_, kept.value().checkpoint);
      if (journal.ok()) {
        journal_ = std::move(journal).value();
        snapshot_ = std::move(kept.value().replica);
        snapshot_offset_ = kept.value().offset;
        return Ok();
      }
      kept = journal.error();
    }
    if (kept.error().code() != ErrorCode::kCorrupt) return kept.error();
    spdlog::warn("{}: a snapshot is passed over: {}", name(), kept.error().message());
  }
  NDCAO_ASSIGN(journal_, server_->OpenJournal(run_, {}));
  return Ok();
}

std::optional<Replica> NatsRun::Restore(const Layout& layout, Offset until) {
  if (snapshot_.empty() || snapshot_offset_ > until) return std::nullopt;
  Result<Replica> replica = Replica::Restore(spec_, layout, snapshot_);
  if (replica.ok() && replica.value().next_offset() == snapshot_offset_ &&
      journal_->CheckChain(snapshot_offset_, replica.value().chain()).ok()) {
    return std::move(replica).value();
  }
  spdlog::warn("{}: the snapshot at record {} does not fit the journal and is passed over", name(),
               snapshot_offset_);
  return std::nullopt;
}

void NatsRun::SaveSnapshot(const Replica& replica, bool last) {
  if (last && sender_.joinable()) sender_.join();
  if (sending_) return;
  const auto checkpoint = journal_->CheckpointBefore(replica.next_offset());
  if (!checkpoint) return;
  const ReplicaCounters& counters = replica.counters();
  nlohmann::ordered_json about;
  about["offset"] = replica.next_offset();
  about["groups"] = counters.groups;
  about["image_forwards"] = counters.image_forwards;
  if (replica.audits() != nullptr && !replica.audits()->excluded().empty()) {
    about["excluded"] = replica.audits()->excluded();
  }
  about["fraction"] = static_cast<double>(counters.groups) / replica.horizon();
  const KeptFold kept{replica.next_offset(), *checkpoint, replica.Snapshot()};
  sending_ = true;
  sender_ = std::jthread([this, last, bytes = kept.Encode(), about = about.dump()] {
    const Result<bool> mine = last ? Result<bool>(true) : server_->TakeLease(run_);
    if (!mine.ok()) return spdlog::info("snapshots are left to others: {}", mine.error().message());
    if (mine.value()) {
      const Status sent = server_->PutBlob(run_, kSnapshot, bytes, about);
      if (!sent.ok()) spdlog::warn("no snapshot: {}", sent.error().message());
    }
    sending_ = false;
  });
  if (last) sender_.join();
}

Result<bool> NatsRun::Reopen() {
  if (!journal_->history_changed()) return false;
  if (sender_.joinable()) sender_.join();
  NDCAO_TRY(OpenJournal(false));
  return true;
}

void NatsRun::Leave() {
  if (sender_.joinable()) sender_.join();
  beat_.Leave();
}

std::string NatsRun::Remarks() const {
  const std::string drops = journal_->DescribeDrops();
  return drops.empty() ? "" : "messages that count for nothing: " + drops;
}

ProblemSources NatsRun::Sources(const std::string& data_dir, double exec_timeout) const {
  return {data_dir, model_file_, exec_timeout, layout_.size()};
}

std::string NatsRun::name() const { return fmt::format("{} on {}", run_, server_->url()); }

std::string NatsRun::HowToGoOn(bool helper) const {
  return fmt::format("ndcao {} --journal {} --run {}", helper ? "worker" : "resume",
                     QuotedForShell(server_->url()), run_);
}

}  // namespace ndcao
