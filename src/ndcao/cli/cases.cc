// ndcao cases: the four experimental cases, synchronous and asynchronous, over splits and seeds.
#include <fmt/format.h>

#include <map>

#include "ndcao/base/log.h"
#include "ndcao/cli/case_summary.h"
#include "ndcao/cli/command.h"
#include "ndcao/cli/progress.h"
#include "ndcao/cli/run_command.h"
#include "ndcao/cli/run_options.h"
#include "ndcao/cli/train_run.h"

namespace ndcao {
namespace {

struct Flags {
  CellRunner runner{"runs/cases", "", 0, false};
  bool quick = false;  ///< The default; stated for clarity.
  bool full = false;
  int only = 0;
  std::string probe;
  bool json = false;
};

// Before the first cell begins, rather than after the cells of other data sets.
Status CheckData(const std::vector<Cell>& cells, const CellRunner& runner) {
  std::map<std::string, std::string> directories;
  for (const Cell& cell : cells) directories[cell.data] = runner.DataDir(cell);
  for (const auto& [name, directory] : directories) {
    RunSpec spec;
    spec.data = name;
    const auto data = LoadRunData(spec, directory);
    if (!data.ok()) return data.error();
  }
  return Ok();
}

std::string Again(const Flags& flags) {
  std::string text = fmt::format("ndcao cases {} --out {}", flags.full ? "--full" : "--quick",
                                 QuotedForShell(flags.runner.out));
  if (flags.only != 0) text += fmt::format(" --case {}", flags.only);
  if (!flags.probe.empty()) text += fmt::format(" --probe {}", flags.probe);
  text += DataDirFlag(flags.runner.data_dir);
  return text;
}

Result<int> Cases(const Flags& flags) {
  const auto cells =
      MakeCells({flags.full ? CaseSize::kFull : CaseSize::kQuick, flags.only, flags.probe});
  if (cells.empty()) {
    return Invalid(fmt::format("no cell of case {} probes {} here; --full has both for every case",
                               flags.only, flags.probe));
  }
  NDCAO_TRY(CheckData(cells, flags.runner));
  std::vector<CellResult> results;
  for (const Cell& cell : cells) {
    const std::string label =
        fmt::format("[{}/{}] case {} {} {} {} seed {}  ", results.size() + 1, cells.size(),
                    cell.number, cell.model, cell.mode, cell.blocks, cell.seed);
    const Result<int> code = flags.runner.Run(cell, label);
    if (!code.ok()) return code.error().Context(cell.Name());
    if (code.value() == kExitInterrupted) {
      spdlog::warn("{} of {} cells are done. Go on with: {}", results.size(), cells.size(),
                   Again(flags));
    }
    if (code.value() != kExitDone) return code;
    NDCAO_ASSIGN(CellResult result, ReadCell(flags.runner, cell));
    if (!flags.runner.quiet) {
      fmt::print(stderr, "{}{:.2f} % after {}\n", label, 100 * result.test_accuracy,
                 FormatDuration(result.wall_seconds));
    }
    results.push_back(std::move(result));
  }
  if (!flags.runner.quiet) fmt::print("{}", FormatCases(results));
  if (flags.json) fmt::print("{}\n", CasesJson(results).dump());
  return kExitDone;
}

}  // namespace

void AddCases(CLI::App& app, Action& action) {
  CLI::App* verb = app.add_subcommand(
      "cases",
      "The four experimental cases, synchronous and asynchronous, over splits of the network and\n"
      "seeds. Each cell is a run directory; a second call goes on where the first stopped.\n"
      "What synchronous runs that probe weights measure does not depend on the split, so it is\n"
      "measured once and folded under every split (train --losses-of).");
  auto flags = std::make_shared<Flags>();
  auto* full = verb->add_flag("--full", flags->full, "Three seeds, three splits, real budgets");
  verb->add_flag("--quick", flags->quick,
                 "One seed, two splits, small budgets: some minutes (the default)")
      ->excludes(full);
  verb->add_option("--case", flags->only, "This case alone, 1 to 4 (0: all)")
      ->check(CLI::Range(0, 4));
  verb->add_option("--probe", flags->probe, "The cells of this probe alone")
      ->check(CLI::IsMember({"weights", "activations"}));
  verb->add_option("--out", flags->runner.out, "The folder of the cells");
  verb->add_option("--data-dir", flags->runner.data_dir, "Where MNIST's files lie");
  verb->add_option("--threads", flags->runner.threads, "Worker threads (0: all cores)")
      ->check(CLI::Range(0, 1024));
  verb->add_flag("--json", flags->json, "End standard output with one JSON object");
  verb->add_flag("--quiet", flags->runner.quiet, "No progress display, no table");
  SetAction(*verb, action, [flags] { return Cases(*flags); });
}

}  // namespace ndcao
