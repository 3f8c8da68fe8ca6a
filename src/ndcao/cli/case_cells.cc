#include "ndcao/cli/case_cells.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <string_view>

#include "ndcao/cli/command.h"
#include "ndcao/cli/run_command.h"
#include "ndcao/cli/run_follower.h"
#include "ndcao/cli/train.h"

namespace ndcao {
namespace {

/// A case with one way to probe it. A case that is probed in two ways has two entries.
struct CaseEntry {
  int number;
  const char* model;
  const char* data;
  const char* probe;
  const char* quick_budget;  // empty: not in --quick
  const char* full_budget;
};

// On 2 cores --quick takes some 4 minutes and --full some hours; its budgets of activations are 5
// to 15 epochs.
const std::vector<CaseEntry>& CaseTable() {
  static const std::vector<CaseEntry> kEntries = {
      {1, "mlp:784-256-10", "mnist", "weights", "2M", "50M"},
      {1, "mlp:784-256-10", "mnist", "activations", "", "1800k"},
      {2, "lenet5", "fashion-mnist", "activations", "1080k", "2700k"},
      {2, "lenet5", "fashion-mnist", "weights", "", "10M"},
      {3, "resnet8", "fashion-mnist", "activations", "320k", "2400k"},
      {3, "resnet8", "fashion-mnist", "weights", "", "2M"},
      {4, "lstm:28x128", "mnist", "activations", "150k", "900k"},
      {4, "lstm:28x128", "mnist", "weights", "", "4M"},
  };
  return kEntries;
}

constexpr char kUnits[] = "unit";  // not in --quick
constexpr std::array<std::string_view, 3> kSplits = {"layer", kUnits, "random:16"};

std::string Safe(std::string name) {
  for (char& c : name) {
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '-' && c != '.') c = '_';
  }
  return name;
}

}  // namespace

std::string Cell::Name() const {
  std::string name = fmt::format("case{}-{}-{}-{}-{}", number, probe, mode, blocks, budget);
  return Safe(fmt::format("{}-seed{}", name, seed));
}

std::vector<std::string> Cell::Flags() const {
  std::vector<std::string> flags = {"--model",  model,  "--data",   data,
                                    "--mode",   mode,   "--blocks", blocks,
                                    "--budget", budget, "--seed",   fmt::format("{}", seed)};
  if (probe != "weights") flags.insert(flags.end(), {"--probe", probe});
  if (mode == "async") flags.insert(flags.end(), {"--async-periods", "1..10"});
  return flags;
}

std::optional<Cell> Cell::SameLosses() const {
  if (probe != "weights" || mode != "sync" || blocks == kSplits.front()) return std::nullopt;
  Cell first = *this;
  first.blocks = kSplits.front();
  return first;
}

std::vector<Cell> MakeCells(const CellChoice& choice) {
  const bool quick = choice.size == CaseSize::kQuick;
  std::vector<Cell> cells;
  for (const CaseEntry& entry : CaseTable()) {
    const std::string budget = quick ? entry.quick_budget : entry.full_budget;
    if (budget.empty() || (choice.number != 0 && choice.number != entry.number)) continue;
    if (!choice.probe.empty() && choice.probe != entry.probe) continue;
    for (std::uint64_t seed = 1; seed <= (quick ? 1u : 3u); ++seed) {
      for (const char* mode : {"sync", "async"}) {
        for (const std::string_view blocks : kSplits) {
          if (quick && blocks == kUnits) continue;
          cells.push_back({entry.number, entry.model, entry.data, entry.probe, mode,
                           std::string(blocks), seed, budget});
        }
      }
    }
  }
  return cells;
}

Result<int> CellRunner::Run(const Cell& cell, const std::string& label) const {
  const std::string directory = Directory(cell);
  TrainOptions train;
  train.threads = threads;
  train.quiet = quiet;
  train.label = label;
  std::error_code error;
  if (std::filesystem::exists(directory + "/journal", error)) {
    if (ReadCell(*this, cell).ok()) return kExitDone;
    ResumeCommand command;
    command.train = train;
    command.location.directory = directory;
    command.train.data_dir = DataDir(cell);
    return Resume(command);
  }
  CLI::App app;
  TrainCommand command;
  AddTrainCommand(app, command);
  std::vector<std::string> flags = cell.Flags();
  std::reverse(flags.begin(), flags.end());  // as CLI11 takes a vector
  try {
    app.parse(flags);
  } catch (const CLI::ParseError& error) {
    return Invalid(fmt::format("{}: {}", cell.Name(), error.what()));
  }
  command.run.data_dir = DataDir(cell);
  command.train = train;
  command.out = directory;
  const std::optional<Cell> measured = cell.SameLosses();
  if (measured && ReadCell(*this, *measured).ok()) command.losses_of = Directory(*measured);
  return Train(command);
}

Result<CellResult> ReadCell(const CellRunner& runner, const Cell& cell) {
  FileJournalOptions options;
  options.mode = OpenMode::kReadOnly;
  NDCAO_ASSIGN(RunDirectory run, RunDirectory::Open(runner.Directory(cell), options));
  NDCAO_ASSIGN(const RunHistory history, ReadHistory(run));
  if (history.marks().empty() || !history.marks().back().record.note.starts_with(kBudgetUsedUp)) {
    return Failed(fmt::format("{}: not finished yet", cell.Name()));
  }
  const RunHistory::Mark& last = history.marks().back();
  std::string command = FormatCommand(run.spec(), history.budget());
  command += DataDirFlag(runner.DataDir(cell));
  return CellResult{cell,
                    last.record.test_accuracy,
                    last.record.test_loss,
                    history.initial_loss(),
                    last.record.image_forwards,
                    last.seconds,
                    run.journal().bytes(),
                    std::move(command)};
}

}  // namespace ndcao
