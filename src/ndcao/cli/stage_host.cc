#include "ndcao/cli/stage_host.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <cmath>

#include "ndcao/base/hash.h"
#include "ndcao/base/log.h"
#include "ndcao/cli/command.h"
#include "ndcao/cli/interrupt.h"
#include "ndcao/cli/run_options.h"
#include "ndcao/cli/score_json.h"
#include "ndcao/cli/train_run.h"
#include "ndcao/evaluate/torch/runtime.h"
#include "ndcao/journal/nats/names.h"

namespace ndcao {

using std::chrono::milliseconds;

Status StageHost::Open() {
  NDCAO_TRY(CheckName("--run", flags_.location.run));
  if (!flags_.location.on_server()) {
    return Invalid(fmt::format("--journal {}: expected nats://HOST:PORT; stages meet on a server",
                               flags_.location.journal));
  }
  NDCAO_ASSIGN(stage_, ReadStageFile(flags_.file, true));
  NDCAO_ASSIGN(spec_, ReadRunSpec(head().spec));
  kept_ = flags_.out.empty() ? StageDirectory(flags_.file) : flags_.out;
  RunLocation location = flags_.location;
  // All lives of a stage publish under one name, so that one may journal what another began.
  if (location.nats.writer.empty()) {
    location.nats.writer = fmt::format("stage-{}", head().stage);
  }
  name_ = location.nats.writer;
  NDCAO_ASSIGN(server_, ConnectTo(location));
  NDCAO_TRY(CheckRun());
  NDCAO_ASSIGN(claim_,
               StageClaim::Take(*server_, flags_.location.run, head().stage, head().stages));
  NDCAO_ASSIGN(channel_, server_->OpenChannel(flags_.location.run, head().stage));
  beat_.Begin(*server_, flags_.location.run);
  return Ok();
}

// Begins the run if this stage is the first to come, and checks that the others are of one split.
Status StageHost::CheckRun() {
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
  if (!theirs.is_object() || !theirs.contains("split") || !theirs["split"].is_string()) {
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

Result<ParameterVector> StageHost::TakeValues() {
  if (!stage_.values.empty()) return std::exchange(stage_.values, {});
  NDCAO_ASSIGN(StageFile again, ReadStageFile(flags_.file, true));
  return std::move(again.values);
}

// Two stages may begin it at once: the second record 0 counts for nothing.
Result<std::unique_ptr<NatsJournal>> StageHost::OpenJournal() {
  NDCAO_ASSIGN(auto journal, server_->OpenJournal(run(), {}));
  NDCAO_ASSIGN(const Offset end, journal->End());
  if (end > 0) return journal;
  const auto appended =
      journal->Append(SpecRecord{head().spec, head().layout.size(), head().initial_digest});
  if (appended.ok() || appended.error().code() == ErrorCode::kConflict) return journal;
  return appended.error();
}

Status StageHost::CheckParameters(std::size_t built) const {
  if (built == head().parameters) return Ok();
  return Corrupt(fmt::format("--file {}: its part of the network has {} parameters, not {}",
                             flags_.file, built, head().parameters));
}

Result<std::shared_ptr<const Dataset>> StageHost::LoadData() const {
  if (!first()) return std::shared_ptr<const Dataset>();
  return LoadRunData(spec_, flags_.data_dir);
}

Result<std::unique_ptr<Objective>> StageHost::LoadObjective() const {
  if (!last()) return std::unique_ptr<Objective>();
  return MakeObjective(spec_.objective);
}

void StageHost::Fill(StageSetting& setting) {
  setting.stage = head().stage;
  setting.stages = head().stages;
  setting.outputs = ValuesOf(head().model.output_shape);
  setting.widest = head().widest;
  setting.name = name_;
  setting.delay = milliseconds(static_cast<long>(flags_.delay_ms));
  setting.end_note = kBudgetUsedUp;
  const milliseconds patience(static_cast<long>(1000 * flags_.location.patience));
  setting.tick = [this, patience] { return claim_->Check(patience); };
  setting.peers = [this] { return claim_->peers(); };
  setting.on_join = [this](WorkerId worker) { claim_->SetWorker(worker); };
  setting.stop_requested = Interrupted;
}

// Every stage sees the same images: one alone counts them.
void StageHost::Beat(SessionProgress progress) {
  if (!last()) progress.images_per_second = 0;
  beat_.Tell(progress);
}

std::optional<Result<int>> StageHost::Broken(const Result<StageResult>& result) const {
  if (Interrupted() && (!result.ok() || result.value().cancelled)) {
    spdlog::warn("stopped; nothing is lost. Go on with the same command");
    return Result<int>(kExitInterrupted);
  }
  if (result.ok()) return std::nullopt;
  return Result<int>(result.error().Context(fmt::format("run {}", run())));
}

nlohmann::ordered_json StageHost::Describe(const StageResult& result, std::size_t resident) const {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  nlohmann::ordered_json json;
  json["stage"] = head().stage;
  json["stages"] = head().stages;
  json["test_accuracy"] = JsonNumber(result.ending ? result.ending->test_accuracy : NAN);
  json["test_loss"] = JsonNumber(result.ending ? result.ending->test_loss : NAN);
  json["wall_seconds"] = result.seconds;
  json["parameters"] = head().parameters;
  json["resident_parameter_bytes"] = resident * sizeof(float);
  json["peak_memory_bytes"] = static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
  json["examples_sent"] = result.traffic.examples;
  json["activation_bytes_sent"] = result.traffic.activation_bytes;
  json["other_bytes_sent"] = result.traffic.other_bytes;
  return json;
}

void StageHost::Print(const nlohmann::ordered_json& json) const {
  if (flags_.json) {
    fmt::print("{}\n", json.dump());
  } else if (!flags_.quiet) {
    const nlohmann::json accuracy = json.at("test_accuracy");
    fmt::print("stage {} of {}: {} image-forwards, test accuracy {:.2f} %\n", head().stage,
               head().stages, json.at("image_forwards").get<std::uint64_t>(),
               accuracy.is_number() ? 100 * accuracy.get<double>() : NAN);
  }
}

}  // namespace ndcao
