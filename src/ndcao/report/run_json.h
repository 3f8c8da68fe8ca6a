// What the report page is told about a run, as JSON. The page's script (page/report.js) reads it.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "ndcao/report/fold_history.h"
#include "ndcao/report/run_history.h"

namespace ndcao {

/// A run for the page.
struct ReportedRun {
  std::string name;     ///< For people: its directory.
  std::string command;  ///< The command line that repeats it.
  RunHistory history;
  FoldHistory fold;
  std::string fold_note;  ///< Why there is no fold, or only a part of one; empty otherwise.
  std::uint64_t journal_bytes = 0;
};

/// Runs with equal `series` differ in their seed alone.
nlohmann::ordered_json RunJson(const ReportedRun& run);

}  // namespace ndcao
