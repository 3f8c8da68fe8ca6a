// The cells of `ndcao cases` as a table and as JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "ndcao/cli/case_cells.h"

namespace ndcao {

/// A line for each case, probe, mode and split: mean ± standard deviation over the seeds; and
/// under each case what asynchrony and the choice of the split change.
std::string FormatCases(const std::vector<CellResult>& results);

/// `cells`: one object for each cell.
nlohmann::ordered_json CasesJson(const std::vector<CellResult>& results);

}  // namespace ndcao
