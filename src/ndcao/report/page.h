// The report page: one HTML file that holds its data, its script and its charts, and asks the
// network for nothing. A live page asks the server that it came from for new data, and nobody else.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "ndcao/base/result.h"

namespace ndcao {

enum class PageKind {
  kFile,  ///< Opened from a file: the data stands in it.
  kLive,  ///< Served: the script asks for `data.json` every second.
};

/// `runs` is an array of RunJson. kFailed, with how to get it, if the program was built without the
/// library that draws the charts.
Result<std::string> RenderPage(const nlohmann::ordered_json& runs, PageKind kind);

/// Whether RenderPage can work: uPlot was there when the program was built.
bool HasCharts();

/// JSON as text in which no character can end a <script> element; bytes that are no UTF-8 are
/// replaced.
std::string ScriptSafe(const nlohmann::ordered_json& json);

}  // namespace ndcao
