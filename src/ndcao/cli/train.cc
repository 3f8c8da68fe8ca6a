// ndcao train: begins a run and trains it.
#include "ndcao/base/log.h"
#include "ndcao/cli/activation_run.h"
#include "ndcao/cli/command.h"
#include "ndcao/cli/run_options.h"
#include "ndcao/cli/train_run.h"

namespace ndcao {
namespace {

struct Flags {
  RunOptions run;
  TrainOptions train;
  std::string out;
};

Result<int> Train(Flags& flags) {
  NDCAO_ASSIGN(const FileJournalOptions journal, JournalOptions(flags.train));
  NDCAO_ASSIGN(RunSetup setup, SetUpRun(flags.run));
  const std::string out = flags.out.empty() ? DefaultRunDirectory(setup.spec) : flags.out;
  if (setup.spec.probe == ProbeTarget::kActivations) {
    NDCAO_ASSIGN(RunDirectory run, RunDirectory::Create(out, setup.spec, setup.problem->layout(),
                                                        setup.initial, journal));
    return TrainActivations(run, *setup.problem, flags.train, "");
  }
  // The replica checks blocks and options before anything is written.
  NDCAO_ASSIGN(Replica replica,
               Replica::Create(setup.spec, setup.problem->layout(), setup.initial));
  NDCAO_ASSIGN(RunDirectory run, RunDirectory::Create(out, setup.spec, setup.problem->layout(),
                                                      setup.initial, journal));
  flags.train.budget_from_time =
      flags.run.max_seconds > 0 && flags.run.budget.empty() && flags.run.epochs == 0;
  return TrainRun(run, replica, *setup.problem, flags.train);
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
  verb->callback([&action, flags] {
    action = [flags] {
      flags->run.max_seconds = flags->train.max_seconds;
      const Result<int> code = Train(*flags);
      return code.ok() ? code.value() : ReportError(code.error());
    };
  });
}

}  // namespace ndcao
