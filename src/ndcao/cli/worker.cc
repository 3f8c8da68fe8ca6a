// ndcao worker: joins a run from another process.
#include <fmt/format.h>

#include "ndcao/cli/command.h"
#include "ndcao/cli/run_options.h"
#include "ndcao/cli/train_run.h"

namespace ndcao {
namespace {

struct Flags {
  TrainOptions train;
  std::string journal;
  std::string data_dir;
  double exec_timeout = 60;
};

Result<int> Work(Flags& flags) {
  constexpr std::string_view kFile = "file:";
  if (!flags.journal.starts_with(kFile)) {
    return Invalid(
        fmt::format("--journal {}: expected file:DIR, DIR being a run directory", flags.journal));
  }
  NDCAO_ASSIGN(const FileJournalOptions options, JournalOptions(flags.train));
  NDCAO_ASSIGN(RunDirectory run, RunDirectory::Open(flags.journal.substr(kFile.size()), options));
  NDCAO_TRY(run.NeedsFold("worker"));
  RunSpec spec = run.spec();
  NDCAO_ASSIGN(const auto problem,
               MakeProblem(spec, run.Sources(flags.data_dir, flags.exec_timeout)));
  NDCAO_ASSIGN(const Offset end, run.journal().End());
  NDCAO_ASSIGN(Replica replica, run.Fold(problem->layout(), end, false));
  flags.train.marks = false;
  flags.train.leave_products = true;
  return TrainRun(run, replica, *problem, flags.train);
}

}  // namespace

void AddWorker(CLI::App& app, Action& action) {
  CLI::App* verb = app.add_subcommand(
      "worker",
      "Join a run from another process: evaluate its trials until its budget is used up. Workers\n"
      "may come and go at any time.");
  auto flags = std::make_shared<Flags>();
  verb->add_option("--journal", flags->journal, "Where the run's journal is: file:DIR")->required();
  verb->add_option("--data-dir", flags->data_dir, "Where the data set's files lie");
  verb->add_option("--exec-timeout", flags->exec_timeout,
                   "exec:PROGRAM: seconds that one answer may take")
      ->check(CLI::PositiveNumber);
  AddTrainOptions(*verb, flags->train);
  verb->callback([&action, flags] {
    action = [flags] {
      const Result<int> code = Work(*flags);
      return code.ok() ? code.value() : ReportError(code.error());
    };
  });
}

}  // namespace ndcao
