#include "ndcao/cli/case_summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "ndcao/cli/progress.h"

namespace ndcao {
namespace {

using Row = std::vector<const CellResult*>;  // the seeds of one line

struct Spread {
  double mean = 0;
  double deviation = 0;
};

Spread Summarise(const Row& cells, double (*of)(const CellResult&)) {
  Spread spread;
  const auto count = static_cast<double>(cells.size());
  for (const CellResult* cell : cells) spread.mean += of(*cell) / count;
  for (const CellResult* cell : cells) {
    spread.deviation += (of(*cell) - spread.mean) * (of(*cell) - spread.mean);
  }
  spread.deviation = cells.size() > 1 ? std::sqrt(spread.deviation / (count - 1)) : 0;
  return spread;
}

double Accuracy(const CellResult& cell) { return 100 * cell.test_accuracy; }
double Loss(const CellResult& cell) { return cell.test_loss; }
double InitialLoss(const CellResult& cell) { return cell.initial_loss; }
double Forwards(const CellResult& cell) { return static_cast<double>(cell.image_forwards); }
double Seconds(const CellResult& cell) { return cell.wall_seconds; }
double Bytes(const CellResult& cell) { return static_cast<double>(cell.journal_bytes); }

std::vector<Row> GroupRows(const std::vector<CellResult>& results) {
  std::vector<Row> rows;
  for (const CellResult& result : results) {
    const auto same = [&](const Row& row) {
      const Cell& a = row.front()->cell;
      const Cell& b = result.cell;
      return std::tie(a.number, a.probe, a.mode, a.blocks) ==
             std::tie(b.number, b.probe, b.mode, b.blocks);
    };
    const auto row = std::find_if(rows.begin(), rows.end(), same);
    if (row == rows.end()) {
      rows.push_back({&result});
    } else {
      row->push_back(&result);
    }
  }
  return rows;
}

std::string FormatRow(const Row& row) {
  const Cell& cell = row.front()->cell;
  const Spread accuracy = Summarise(row, Accuracy);
  const Spread loss = Summarise(row, Loss);
  const double initial = Summarise(row, InitialLoss).mean;  // unknown where activations are probed
  return fmt::format(
      "{}  {:<15} {:<14} {:<12} {:<6} {:<10} {:>6.2f} ± {:<5.2f} {:>7.4f} ± {:<6.4f} {:>8} "
      "{:>9} {:>8} {:>10.0f}\n",
      cell.number, cell.model, cell.data, cell.probe, cell.mode, cell.blocks, accuracy.mean,
      accuracy.deviation, loss.mean, loss.deviation,
      std::isnan(initial) ? "-" : fmt::format("{:.4f}", initial),
      FormatCount(Summarise(row, Forwards).mean), FormatDuration(Summarise(row, Seconds).mean),
      Summarise(row, Bytes).mean);
}

/// Below the lines of one case and probe: asynchronous − synchronous, and how far splits differ.
std::string FormatComparison(const std::vector<Row>& rows) {
  std::map<std::string, Row> modes, splits;
  for (const Row& row : rows) {
    const Cell& cell = row.front()->cell;
    modes[cell.mode].insert(modes[cell.mode].end(), row.begin(), row.end());
    splits[cell.blocks].insert(splits[cell.blocks].end(), row.begin(), row.end());
  }
  if (modes.size() < 2) return "";
  double least = INFINITY, greatest = -INFINITY;
  for (const auto& [name, cells] : splits) {
    const double mean = Summarise(cells, Accuracy).mean;
    least = std::min(least, mean);
    greatest = std::max(greatest, mean);
  }
  const double change = Summarise(modes["async"], Accuracy).mean -  //
                        Summarise(modes["sync"], Accuracy).mean;
  return fmt::format("   async - sync {:+.2f} points; splits within {:.2f} points\n\n", change,
                     greatest - least);
}

}  // namespace

std::string FormatCases(const std::vector<CellResult>& results) {
  std::string text =
      fmt::format("   {:<15} {:<14} {:<12} {:<6} {:<10} {:>14} {:>16} {:>8} {:>9} {:>8} {:>10}\n",
                  "model", "data", "probe", "mode", "blocks", "accuracy %", "test loss", "at start",
                  "forwards", "time", "journal");
  std::vector<Row> of_case;
  for (const Row& row : GroupRows(results)) {
    const Cell& cell = row.front()->cell;
    if (!of_case.empty()) {
      const Cell& before = of_case.front().front()->cell;
      if (std::tie(before.number, before.probe) != std::tie(cell.number, cell.probe)) {
        text += FormatComparison(of_case);
        of_case.clear();
      }
    }
    text += FormatRow(row);
    of_case.push_back(row);
  }
  if (!of_case.empty()) text += FormatComparison(of_case);
  const auto shares = [](const CellResult& result) { return result.cell.SameLosses().has_value(); };
  if (std::any_of(results.begin(), results.end(), shares)) {
    text +=
        "Synchronous runs that probe weights measure the same losses under any split: they are\n"
        "measured once, and folded and checked under every split.\n";
  }
  return text;
}

nlohmann::ordered_json CasesJson(const std::vector<CellResult>& results) {
  nlohmann::ordered_json cells = nlohmann::ordered_json::array();
  const auto number = [](double value) {
    return std::isfinite(value) ? nlohmann::ordered_json(value) : nlohmann::ordered_json(nullptr);
  };
  for (const CellResult& result : results) {
    const Cell& cell = result.cell;
    cells.push_back({{"case", cell.number},
                     {"model", cell.model},
                     {"data", cell.data},
                     {"probe", cell.probe},
                     {"mode", cell.mode},
                     {"blocks", cell.blocks},
                     {"seed", cell.seed},
                     {"test_accuracy", number(result.test_accuracy)},
                     {"test_loss", number(result.test_loss)},
                     {"initial_loss", number(result.initial_loss)},
                     {"image_forwards", result.image_forwards},
                     {"wall_seconds", number(result.wall_seconds)},
                     {"journal_bytes", result.journal_bytes},
                     {"command", result.command}});
  }
  return {{"cells", std::move(cells)}};
}

}  // namespace ndcao
