// ndcao: the command line. One file per verb; each declares its flags and sets the action.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "ndcao/base/log.h"
#include "ndcao/cli/command.h"
#include "ndcao/cli/config_file.h"
#include "ndcao/cli/flag_values.h"

namespace ndcao {
namespace {

constexpr char kDescription[] =
    "ndcao trains neural networks by forward passes alone: no gradient is ever taken, the network\n"
    "is split into blocks in any way, and all that a block learns from is the global loss.\n"
    "\n"
    "  ndcao train --model mlp:784-32-10 --data fashion-mnist --budget 3M\n"
    "  ndcao eval --run runs/NAME --pictures 8\n"
    "  ndcao verify runs/NAME\n"
    "\n"
    "Exit codes: 0 done; 1 the run failed; 2 an argument or an input file is wrong; 130 stopped "
    "by\n"
    "Ctrl-C, after the journal is safe.";

int Main(int argc, char** argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  InitLogging(std::find(arguments.begin(), arguments.end(), "--quiet") != arguments.end());
  CLI::App app(kDescription, "ndcao");
  app.require_subcommand(1);
  app.set_version_flag("--version", "ndcao " NDCAO_VERSION);
  app.option_defaults()->always_capture_default()->multi_option_policy(
      CLI::MultiOptionPolicy::TakeLast);
  Action action;
  AddTrain(app, action);
  AddResume(app, action);
  AddWorker(app, action);
  AddSplit(app, action);
  AddStage(app, action);
  AddRuns(app, action);
  AddInspection(app, action);
  AddEval(app, action);
  AddBench(app, action);
  AddSimulate(app, action);
  AddReport(app, action);
  AddCases(app, action);
  AddNumberChecks(app);
  const Status verb = CheckVerb(app, arguments);
  if (!verb.ok()) {
    spdlog::error("{} (see ndcao --help)", verb.error().message());
    return kExitUsage;
  }
  const Status expanded = ExpandConfig(app, arguments);
  if (!expanded.ok()) {
    spdlog::error("{}", expanded.error().message());
    return kExitUsage;
  }
  try {
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 takes a vector
    app.parse(arguments);
  } catch (const CLI::Success& request) {  // --help, --version
    return app.exit(request);
  } catch (const CLI::ExtrasError&) {
    const std::vector<std::string> words = app.remaining(true);
    spdlog::error("not expected: {} (see ndcao --help, ndcao VERB --help)", fmt::join(words, " "));
    return kExitUsage;
  } catch (const CLI::ParseError& error) {
    spdlog::error("{} (see ndcao --help, ndcao VERB --help)", error.what());
    return kExitUsage;
  }
  return action();
}

}  // namespace
}  // namespace ndcao

int main(int argc, char** argv) {
  // Worker threads spin for their OpenMP team otherwise; it must be set before LibTorch starts.
  setenv("OMP_WAIT_POLICY", "passive", 0);
  return ndcao::Main(argc, argv);
}
