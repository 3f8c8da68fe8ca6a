// ndcao train: begins a run and trains it.
#include "ndcao/cli/train.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>
#include <vector>

#include "ndcao/base/log.h"
#include "ndcao/cli/activation_run.h"
#include "ndcao/cli/command.h"
#include "ndcao/cli/memory_run.h"
#include "ndcao/cli/nats_run.h"
#include "ndcao/cli/problem_defaults.h"
#include "ndcao/cli/run_directory.h"
#include "ndcao/cli/run_location.h"
#include "ndcao/cli/shared_losses.h"
#include "ndcao/journal/nats/names.h"

namespace ndcao {
namespace {

Result<RunDirectory> BeginDirectory(const TrainCommand& command, const RunSetup& setup) {
  constexpr std::string_view kFile = "file:";
  const std::string& journal = command.location.journal;
  std::string out = command.out.empty() ? DefaultRunDirectory(setup.spec) : command.out;
  if (journal.starts_with(kFile)) out = journal.substr(kFile.size());
  NDCAO_ASSIGN(const FileJournalOptions options, JournalOptions(command.train));
  return RunDirectory::Create(out, setup.spec, setup.problem->layout(), setup.initial, options);
}

// What a run on a server leaves behind does not belong into the directory of another.
Status CheckNoRun(const std::string& products) {
  std::error_code error;
  if (!std::filesystem::exists(products + "/journal", error)) return Ok();
  return Invalid(
      fmt::format("--out {}: a run is kept there; a run on a server writes its model and "
                  "metrics to a directory of its own",
                  products));
}

// --journal says where the run is kept; without it, --out does.
Result<std::unique_ptr<RunHome>> BeginRun(const TrainCommand& command, const RunSetup& setup) {
  const RunLocation& location = command.location;
  if (location.on_server()) {
    NDCAO_TRY(CheckName("--run", location.run));
    const std::string products = command.out.empty() ? "runs/" + location.run : command.out;
    NDCAO_TRY(CheckNoRun(products));
    NDCAO_ASSIGN(auto server, ConnectTo(location));
    NDCAO_ASSIGN(auto run, NatsRun::CreateOrJoin(std::move(server), location.run, setup, products));
    return std::unique_ptr<RunHome>(std::move(run));
  }
  if (location.journal == "mem:") {
    NDCAO_ASSIGN(auto run, MemoryRun::Create(setup, command.out));
    return std::unique_ptr<RunHome>(std::move(run));
  }
  NDCAO_ASSIGN(RunDirectory run, BeginDirectory(command, setup));
  return std::unique_ptr<RunHome>(std::make_unique<RunDirectory>(std::move(run)));
}

Status CheckJournal(const TrainCommand& command) {
  const std::string& journal = command.location.journal;
  const bool file = journal.starts_with("file:") && journal.size() > 5;
  if (!journal.empty() && journal != "mem:" && !file && !command.location.on_server()) {
    return Invalid(fmt::format(
        "--journal {}: expected file:DIR, mem:, or nats://HOST:PORT with --run NAME", journal));
  }
  if (file && !command.out.empty()) {
    return Invalid(
        fmt::format("--journal {} and --out {}: a run is in one place", journal, command.out));
  }
  const bool elsewhere = journal == "mem:" || command.location.on_server();
  if (elsewhere && command.run.probe == "activations") {
    return Invalid(
        fmt::format("--journal {}: a run that probes activations learns from inputs that no "
                    "journal holds, so it "
                    "is kept in a directory and trained by one process",
                    journal));
  }
  if (elsewhere && !command.losses_of.empty()) {
    return Invalid(
        fmt::format("--journal {}: only a run in a directory takes losses over", journal));
  }
  NDCAO_TRY(CheckServerFlags(command.location));
  if (command.location.on_server()) return CheckName("--run", command.location.run);
  if (command.location.run.empty()) return Ok();
  return Invalid(
      fmt::format("--run {}: only a run on a server has a name; where a directory is, "
                  "--out says",
                  command.location.run));
}

/// A program that gives no losses is an error before there is a run.
Status TryProgram(const RunSetup& setup) {
  if (!setup.spec.objective.starts_with(kExec)) return Ok();
  NDCAO_ASSIGN(const auto evaluator, setup.problem->NewEvaluator());
  std::copy(setup.initial.begin(), setup.initial.end(), evaluator->parameters().begin());
  const Result<Score> score = evaluator->Test();
  return score.ok() ? Ok() : Status(score.error());
}

}  // namespace

void AddTrainCommand(CLI::App& verb, TrainCommand& command) {
  AddRunOptions(verb, command.run);
  AddTrainOptions(verb, command.train);
  AddPageOption(verb, command.train);
  verb.add_option("--out", command.out,
                  "Run directory (default: runs/MODEL-DATA-seedS, on a server runs/NAME)");
  verb.add_option(
      "--losses-of", command.losses_of,
      "Begin with the losses that this run has measured, a synchronous one that differs "
      "in --blocks alone: they are folded anew under this run's blocks");
}

Result<int> Train(TrainCommand& command) {
  NDCAO_TRY(CheckJournal(command));
  command.run.max_seconds = command.train.max_seconds;
  command.train.data_dir = command.run.data_dir;
  command.train.server_flags = ServerFlags(command.location);
  NDCAO_ASSIGN(RunSetup setup, SetUpRun(command.run));
  std::vector<Record> shared;
  if (!command.losses_of.empty()) {
    NDCAO_ASSIGN(shared, ReadSharedLosses(command.losses_of, setup));
  }
  if (setup.spec.probe == ProbeTarget::kActivations) {
    NDCAO_ASSIGN(RunDirectory run, BeginDirectory(command, setup));
    ParameterVector().swap(setup.initial);  // the run has them
    return TrainActivations(run, *setup.problem, command.train, "");
  }
  // The replica checks blocks and options before anything is written.
  NDCAO_TRY(Replica::Create(setup.spec, setup.problem->layout(), setup.initial));
  NDCAO_TRY(TryProgram(setup));
  NDCAO_ASSIGN(const auto run, BeginRun(command, setup));
  ParameterVector().swap(setup.initial);  // the run has them
  if (!shared.empty()) {
    NDCAO_TRY(AppendSharedLosses(std::move(shared), run->directory()->journal()));
  }
  NDCAO_ASSIGN(const Offset end, run->End());
  NDCAO_ASSIGN(Replica replica, run->Fold(setup.problem->layout(), end, false));
  command.train.budget_from_time =
      command.run.max_seconds > 0 && command.run.budget.empty() && command.run.epochs == 0;
  return TrainRun(*run, replica, *setup.problem, command.train);
}

void AddTrain(CLI::App& app, Action& action) {
  CLI::App* verb = app.add_subcommand(
      "train",
      "Train a network by forward passes alone. The run directory holds everything: the journal "
      "of\n"
      "losses from which any moment of the run can be computed again, and the trained model.");
  auto command = std::make_shared<TrainCommand>();
  AddTrainCommand(*verb, *command);
  AddJournalOptions(*verb, command->location,
                    "Where the journal is kept: file:DIR (as --out), mem: (nowhere), or "
                    "nats://HOST:PORT with --run NAME, which others may join");
  verb->add_option("--run", command->location.run,
                   "The run's name on the server; begun if there is none yet");
  SetAction(*verb, action, [command] { return Train(*command); });
}

}  // namespace ndcao
