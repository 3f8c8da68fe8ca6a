// ndcao train: begins a run and trains it.
#include "ndcao/cli/train.h"

#include "ndcao/cli/command.h"

namespace ndcao {

void AddTrainCommand(CLI::App& verb, TrainCommand& command) {
  AddRunOptions(verb, command.run);
  AddTrainOptions(verb, command.train);
  verb.add_option("--out", command.out, "Run directory (default: runs/MODEL-DATA-seedS)");
}

Result<int> Train(TrainCommand& command) {
  command.run.max_seconds = command.train.max_seconds;
  NDCAO_ASSIGN(const FileJournalOptions journal, JournalOptions(command.train));
  NDCAO_ASSIGN(RunSetup setup, SetUpRun(command.run));
  const std::string out = command.out.empty() ? DefaultRunDirectory(setup.spec) : command.out;
  // The replica checks blocks and options before anything is written.
  NDCAO_ASSIGN(Replica replica,
               Replica::Create(setup.spec, setup.problem->layout(), setup.initial));
  NDCAO_ASSIGN(RunDirectory run, RunDirectory::Create(out, setup.spec, setup.problem->layout(),
                                                      setup.initial, journal));
  command.train.budget_from_time =
      command.run.max_seconds > 0 && command.run.budget.empty() && command.run.epochs == 0;
  return TrainRun(run, replica, *setup.problem, command.train);
}

void AddTrain(CLI::App& app, Action& action) {
  CLI::App* verb = app.add_subcommand(
      "train",
      "Train a network by forward passes alone. The run directory holds everything: the journal "
      "of\n"
      "losses from which any moment of the run can be computed again, and the trained model.");
  auto command = std::make_shared<TrainCommand>();
  AddTrainCommand(*verb, *command);
  verb->callback([&action, command] {
    action = [command] {
      const Result<int> code = Train(*command);
      return code.ok() ? code.value() : ReportError(code.error());
    };
  });
}

}  // namespace ndcao
