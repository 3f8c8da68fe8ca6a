// ndcao resume: goes on with a run that was stopped, killed or ran out of budget.
#include <fmt/format.h>

#include "ndcao/base/log.h"
#include "ndcao/cli/activation_run.h"
#include "ndcao/cli/command.h"
#include "ndcao/cli/run_options.h"
#include "ndcao/cli/train_run.h"

namespace ndcao {
namespace {

struct Flags {
  TrainOptions train;
  std::string run;
  std::string budget;
  std::string data_dir;
  double exec_timeout = 60;
};

Result<int> Resume(const Flags& flags) {
  NDCAO_ASSIGN(const FileJournalOptions journal, JournalOptions(flags.train));
  NDCAO_ASSIGN(RunDirectory run, RunDirectory::Open(flags.run, journal));
  RunSpec spec = run.spec();
  NDCAO_ASSIGN(const auto problem,
               MakeProblem(spec, run.Sources(flags.data_dir, flags.exec_timeout)));
  if (spec.probe == ProbeTarget::kActivations) {
    return TrainActivations(run, *problem, flags.train, flags.budget);
  }
  NDCAO_ASSIGN(const Offset end, run.journal().End());
  NDCAO_ASSIGN(Replica replica, run.Fold(problem->layout(), end, false));
  if (!flags.budget.empty()) {
    NDCAO_ASSIGN(const std::uint64_t budget, ParseQuantity("--budget", flags.budget));
    if (budget < replica.counters().image_forwards) {
      return Invalid(fmt::format("--budget {}: the run has used {} image-forwards already",
                                 flags.budget, replica.counters().image_forwards));
    }
    if (budget != replica.budget()) NDCAO_TRY(run.journal().Append(BudgetRecord{budget}));
  }
  return TrainRun(run, replica, *problem, flags.train);
}

}  // namespace

void AddResume(CLI::App& app, Action& action) {
  CLI::App* verb = app.add_subcommand(
      "resume",
      "Go on with a run that was stopped, killed or ran out of budget. Nothing that was journaled "
      "is\n"
      "measured again. A synchronous run ends as if it had never been stopped; an asynchronous "
      "one\n"
      "goes on in an order of its own, and replays.");
  auto flags = std::make_shared<Flags>();
  verb->add_option("run", flags->run, "The run directory")->required();
  verb->add_option("--budget", flags->budget, "A new budget, in image-forwards from the beginning");
  verb->add_option("--data-dir", flags->data_dir, "Where the data set's files lie");
  verb->add_option("--exec-timeout", flags->exec_timeout,
                   "exec:PROGRAM: seconds that one answer may take")
      ->check(CLI::PositiveNumber);
  AddTrainOptions(*verb, flags->train);
  verb->callback([&action, flags] {
    action = [flags] {
      const Result<int> code = Resume(*flags);
      return code.ok() ? code.value() : ReportError(code.error());
    };
  });
}

}  // namespace ndcao
