// The four experimental cases as a table of cells, and one cell's run.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ndcao/base/result.h"

namespace ndcao {

/// One run of the experiment.
struct Cell {
  int number = 0;  ///< Of the case, 1 to 4.
  std::string model;
  std::string data;
  std::string probe;
  std::string mode;
  std::string blocks;
  std::uint64_t seed = 1;
  std::string budget;

  /// Names the cell's directory: equal names, equal runs.
  std::string Name() const;
  /// The flags of `ndcao train` for it, without --out.
  std::vector<std::string> Flags() const;
  /// The cell whose losses are this one's as well, if there is one that is run before it: a
  /// synchronous run that probes weights measures the same under any split.
  std::optional<Cell> SameLosses() const;
};

enum class CaseSize {
  kQuick,  ///< One seed, two splits, small budgets: minutes.
  kFull,   ///< Three seeds, three splits, real budgets: hours.
};

/// Which cells of the table.
struct CellChoice {
  CaseSize size = CaseSize::kQuick;
  int number = 0;     ///< Of a case; 0: all.
  std::string probe;  ///< "weights" or "activations"; empty: both.
};

/// The cells chosen, in the order in which they are run.
std::vector<Cell> MakeCells(const CellChoice& choice);

/// Where cells are run, and how.
struct CellRunner {
  std::string out;       ///< The folder of the cells' run directories.
  std::string data_dir;  ///< Where MNIST's files lie; empty: the usual places.
  int threads = 0;
  bool quiet = false;

  std::string Directory(const Cell& cell) const { return out + "/" + cell.Name(); }
  /// Files of different data sets have the same names, so the directory is for MNIST alone.
  std::string DataDir(const Cell& cell) const { return cell.data == "mnist" ? data_dir : ""; }
  /// Runs a cell, goes on with one that was stopped, or leaves one that has ended alone. Losses
  /// that another cell has measured are folded anew, not measured again. Returns an exit code: 0,
  /// or 130 if it was interrupted.
  Result<int> Run(const Cell& cell, const std::string& label) const;
};

/// What a finished cell came to.
struct CellResult {
  Cell cell;
  double test_accuracy = 0;
  double test_loss = 0;
  double initial_loss = 0;  ///< Before anything moved.
  std::uint64_t image_forwards = 0;
  double wall_seconds = 0;  ///< Of training, over all its sessions.
  std::uint64_t journal_bytes = 0;
  std::string command;
};

/// From the cell's journal. kFailed if the cell has not ended.
Result<CellResult> ReadCell(const CellRunner& runner, const Cell& cell);

}  // namespace ndcao
