// The command line that repeats a run.
#pragma once

#include <cstdint>
#include <string>

#include "ndcao/replica/run_spec.h"

namespace ndcao {

/// A word as a shell takes it: in quotes where it needs them.
std::string QuotedForShell(const std::string& word);

/// " --data-dir DIR"; nothing where it was not given.
std::string DataDirFlag(const std::string& data_dir);

/// "ndcao train --model … --seed 3": a run with the same spec, whatever the defaults were when it
/// began. `budget` is the run's present one. Words are quoted for a shell. What a command line
/// cannot hold (options of single blocks, a file of initial parameters) stands behind it as a
/// comment.
std::string FormatCommand(const RunSpec& spec, std::uint64_t budget);

}  // namespace ndcao
