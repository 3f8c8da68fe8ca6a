// ndcao worker: joins a run from another process or machine.
#include <fmt/format.h>

#include "ndcao/cli/command.h"
#include "ndcao/cli/number_checks.h"
#include "ndcao/cli/run_location.h"
#include "ndcao/cli/run_options.h"
#include "ndcao/cli/train_run.h"

namespace ndcao {
namespace {

struct Flags {
  TrainOptions train;
  RunLocation location;
  double exec_timeout = 60;
};

Result<int> Work(Flags& flags) {
  NDCAO_ASSIGN(const FileJournalOptions options, JournalOptions(flags.train));
  NDCAO_ASSIGN(const auto run, OpenRun(flags.location, options, false));
  NDCAO_TRY(run->NeedsFold("worker"));
  RunSpec spec = run->spec();
  NDCAO_ASSIGN(const auto problem,
               MakeProblem(spec, run->Sources(flags.train.data_dir, flags.exec_timeout)));
  NDCAO_ASSIGN(const Offset end, run->End());
  NDCAO_ASSIGN(Replica replica, run->Fold(problem->layout(), end, false));
  flags.train.marks = false;
  flags.train.leave_products = true;
  flags.train.server_flags = ServerFlags(flags.location);
  return TrainRun(*run, replica, *problem, flags.train);
}

}  // namespace

void AddWorker(CLI::App& app, Action& action) {
  CLI::App* verb = app.add_subcommand("worker",
                                      "Join a run from another process or machine: evaluate its "
                                      "trials until its budget is used up. Workers\n"
                                      "may come and go at any time.");
  auto flags = std::make_shared<Flags>();
  AddJournalOptions(*verb, flags->location,
                    "Where the run's journal is: file:DIR, or nats://HOST:PORT with --run NAME");
  verb->get_option("--journal")->required();
  verb->add_option("--run", flags->location.run, "The run's name on the server");
  verb->add_option("--data-dir", flags->train.data_dir, "Where the data set's files lie");
  verb->add_option("--exec-timeout", flags->exec_timeout,
                   "exec:PROGRAM: seconds that one answer may take")
      ->check(AboveZero());
  AddTrainOptions(*verb, flags->train);
  SetAction(*verb, action, [flags] { return Work(*flags); });
}

}  // namespace ndcao
