// ndcao train: begins a run and trains it.
#include <fmt/format.h>

#include "ndcao/base/log.h"
#include "ndcao/cli/command.h"
#include "ndcao/cli/memory_run.h"
#include "ndcao/cli/nats_run.h"
#include "ndcao/cli/run_directory.h"
#include "ndcao/cli/run_location.h"
#include "ndcao/cli/run_options.h"
#include "ndcao/cli/train_run.h"
#include "ndcao/journal/nats/names.h"

namespace ndcao {
namespace {

struct Flags {
  RunOptions run;
  TrainOptions train;
  RunLocation location;
  std::string out;
};

// --journal says where the run is kept; without it, --out does.
Result<std::unique_ptr<RunHome>> BeginRun(Flags& flags, const RunSetup& setup) {
  constexpr std::string_view kFile = "file:";
  const RunLocation& location = flags.location;
  if (location.on_server()) {
    NDCAO_TRY(CheckName("--run", location.run));
    NDCAO_ASSIGN(auto server, ConnectTo(location));
    const std::string products = flags.out.empty() ? "runs/" + location.run : flags.out;
    NDCAO_ASSIGN(auto run, NatsRun::CreateOrJoin(std::move(server), location.run, setup, products));
    return std::unique_ptr<RunHome>(std::move(run));
  }
  if (location.journal == "mem:") {
    NDCAO_ASSIGN(auto run, MemoryRun::Create(setup, flags.out));
    return std::unique_ptr<RunHome>(std::move(run));
  }
  std::string out = flags.out.empty() ? DefaultRunDirectory(setup.spec) : flags.out;
  if (location.journal.starts_with(kFile)) out = location.journal.substr(kFile.size());
  NDCAO_ASSIGN(const FileJournalOptions journal, JournalOptions(flags.train));
  NDCAO_ASSIGN(RunDirectory run, RunDirectory::Create(out, setup.spec, setup.problem->layout(),
                                                      setup.initial, journal));
  return std::unique_ptr<RunHome>(std::make_unique<RunDirectory>(std::move(run)));
}

Status CheckJournal(const Flags& flags) {
  const std::string& journal = flags.location.journal;
  const bool file = journal.starts_with("file:") && journal.size() > 5;
  if (!journal.empty() && journal != "mem:" && !file && !flags.location.on_server()) {
    return Invalid(fmt::format(
        "--journal {}: expected file:DIR, mem:, or nats://HOST:PORT with --run NAME", journal));
  }
  if (file && !flags.out.empty()) {
    return Invalid(
        fmt::format("--journal {} and --out {}: a run is in one place", journal, flags.out));
  }
  if (flags.location.on_server()) return CheckName("--run", flags.location.run);
  if (flags.location.run.empty()) return Ok();
  return Invalid(
      fmt::format("--run {}: only a run on a server has a name; where a directory is, "
                  "--out says",
                  flags.location.run));
}

Result<int> Train(Flags& flags) {
  NDCAO_TRY(CheckJournal(flags));
  NDCAO_ASSIGN(RunSetup setup, SetUpRun(flags.run));
  // The replica checks blocks and options before anything is written.
  NDCAO_TRY(Replica::Create(setup.spec, setup.problem->layout(), setup.initial));
  NDCAO_ASSIGN(const auto run, BeginRun(flags, setup));
  NDCAO_ASSIGN(const Offset end, run->End());
  NDCAO_ASSIGN(Replica replica, run->Fold(setup.problem->layout(), end, false));
  flags.train.budget_from_time =
      flags.run.max_seconds > 0 && flags.run.budget.empty() && flags.run.epochs == 0;
  return TrainRun(*run, replica, *setup.problem, flags.train);
}

}  // namespace

void AddTrain(CLI::App& app, Action& action) {
  CLI::App* verb = app.add_subcommand(
      "train",
      "Train a network by forward passes alone. The run directory holds everything: the journal "
      "of\n"
      "losses from which any moment of the run can be computed again, and the trained model.");
  auto flags = std::make_shared<Flags>();
  AddRunOptions(*verb, flags->run);
  AddTrainOptions(*verb, flags->train);
  verb->add_option("--out", flags->out, "Run directory (default: runs/MODEL-DATA-seedS)");
  AddJournalOptions(*verb, flags->location,
                    "Where the journal is kept: file:DIR (as --out), mem: (nowhere), or "
                    "nats://HOST:PORT with --run NAME, which others may join");
  verb->add_option("--run", flags->location.run,
                   "The run's name on the server; begun if there is none yet");
  verb->callback([&action, flags] {
    action = [flags] {
      flags->run.max_seconds = flags->train.max_seconds;
      const Result<int> code = Train(*flags);
      return code.ok() ? code.value() : ReportError(code.error());
    };
  });
}

}  // namespace ndcao
