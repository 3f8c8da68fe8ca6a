// ndcao stage: one host's part of a partitioned run.
#include "ndcao/cli/command.h"
#include "ndcao/cli/number_checks.h"
#include "ndcao/cli/run_location.h"
#include "ndcao/cli/stage_host.h"
#include "ndcao/evaluate/torch/runtime.h"

namespace ndcao {
namespace {

Result<int> RunStage(const StageFlags& flags) {
  StageHost host(flags);
  NDCAO_TRY(host.Open());
  InitTorch();
  return host.head().flow.in_flight > 0 ? TrainActivationStage(host) : TrainWeightStage(host);
}

}  // namespace

void AddStage(CLI::App& app, Action& action) {
  CLI::App* verb = app.add_subcommand(
      "stage",
      "Train one stage of a partitioned run, as 'ndcao split' cut it. The stages of a run meet on\n"
      "a server; each holds its own parameters and nobody else's (docs/partitioned.md). A stage\n"
      "that was stopped or killed goes on with the same command.");
  auto flags = std::make_shared<StageFlags>();
  verb->add_option("--file", flags->file, "The stage file")->required();
  AddJournalOptions(*verb, flags->location, "Where the stages meet: nats://HOST:PORT");
  verb->get_option("--journal")->required();
  verb->add_option("--run", flags->location.run,
                   "The run's name on the server; begun if there is none yet")
      ->required();
  verb->add_option("--out", flags->out,
                   "Where snapshots of this stage go (default: next to the stage file, .kept)");
  verb->add_option("--data-dir", flags->data_dir, "Stage 1: where the data set's files lie");
  verb->add_option("--window", flags->window,
                   "Stage 1, weights: messages of activations that may be under way")
      ->check(CLI::Range(1, 1024));
  verb->add_option("--snapshot-seconds", flags->snapshot_seconds,
                   "Weights: time between snapshots, from which the stage starts again (0: at the\n"
                   "end only). Activations: see --keep-every of 'ndcao split'")
      ->check(AtLeastZero());
  verb->add_flag("--json", flags->json, "End standard output with one JSON object");
  verb->add_flag("--quiet", flags->quiet, "No progress display");
  verb->add_option("--delay-ms", flags->delay_ms)->group("");  // for tests: a slow stage
  SetAction(*verb, action, [flags] { return RunStage(*flags); });
}

}  // namespace ndcao
