// ndcao resume: goes on with a run that was stopped, killed or ran out of budget.
#include <fmt/format.h>

#include "ndcao/base/log.h"
#include "ndcao/cli/activation_run.h"
#include "ndcao/cli/command.h"
#include "ndcao/cli/number_checks.h"
#include "ndcao/cli/train.h"

namespace ndcao {
namespace {

Status Extend(RunHome& run, std::uint64_t budget) {
  const std::string owner = run.BudgetOwner();
  if (!owner.empty() && owner != run.WorkerName()) {
    return Invalid(fmt::format(
        "--budget {}: '{}' began the run, and alone sets its budget; if that is you, add "
        "--worker-name {}",
        budget, owner, owner));
  }
  NDCAO_TRY(run.journal().Append(BudgetRecord{budget}));
  return Ok();
}

}  // namespace

Result<int> Resume(const ResumeCommand& command) {
  NDCAO_ASSIGN(const FileJournalOptions journal, JournalOptions(command.train));
  NDCAO_ASSIGN(const auto run, OpenRun(command.location, journal, false));
  RunSpec spec = run->spec();
  NDCAO_ASSIGN(const auto problem,
               MakeProblem(spec, run->Sources(command.train.data_dir, command.exec_timeout)));
  if (spec.probe == ProbeTarget::kActivations) {
    return TrainActivations(*run->directory(), *problem, command.train, command.budget);
  }
  NDCAO_ASSIGN(const Offset end, run->End());
  NDCAO_ASSIGN(Replica replica, run->Fold(problem->layout(), end, false));
  if (!command.budget.empty()) {
    NDCAO_ASSIGN(const std::uint64_t budget, ParseQuantity("--budget", command.budget));
    if (budget < replica.counters().image_forwards) {
      return Invalid(fmt::format("--budget {}: the run has used {} image-forwards already",
                                 command.budget, replica.counters().image_forwards));
    }
    if (budget != replica.budget()) NDCAO_TRY(Extend(*run, budget));
  }
  TrainOptions train = command.train;
  train.server_flags = ServerFlags(command.location);
  return TrainRun(*run, replica, *problem, train);
}

void AddResume(CLI::App& app, Action& action) {
  CLI::App* verb = app.add_subcommand(
      "resume",
      "Go on with a run that was stopped, killed or ran out of budget. Nothing that was journaled "
      "is\n"
      "measured again. A synchronous run ends as if it had never been stopped; an asynchronous "
      "one\n"
      "goes on in an order of its own, and replays.");
  auto command = std::make_shared<ResumeCommand>();
  AddRunLocation(*verb, command->location);
  verb->add_option("--budget", command->budget,
                   "A new budget, in image-forwards from the beginning");
  verb->add_option("--data-dir", command->train.data_dir, "Where the data set's files lie");
  verb->add_option("--exec-timeout", command->exec_timeout,
                   "exec:PROGRAM: seconds that one answer may take")
      ->check(AboveZero());
  AddTrainOptions(*verb, command->train);
  AddPageOption(*verb, command->train);
  SetAction(*verb, action, [command] { return Resume(*command); });
}

}  // namespace ndcao
