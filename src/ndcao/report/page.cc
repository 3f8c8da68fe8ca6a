#include "ndcao/report/page.h"

#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

namespace ndcao {

// Embedded when the program is built (CMakeLists.txt).
extern const std::string_view kReportHtml, kReportCss, kReportJs, kChartsJs, kUplotJs, kUplotCss;

namespace {

/// The template with each {{name}} replaced by its value. Values are not looked into again.
std::string Fill(std::string_view text,
                 std::initializer_list<std::pair<std::string_view, std::string_view>> values) {
  std::string out;
  while (!text.empty()) {
    const std::size_t open = text.find("{{");
    out += text.substr(0, open);
    if (open == std::string_view::npos) break;
    const std::size_t close = text.find("}}", open);
    const std::string_view name = text.substr(open + 2, close - open - 2);
    for (const auto& [key, value] : values) {
      if (key == name) out += value;
    }
    text.remove_prefix(close + 2);
  }
  return out;
}

}  // namespace

bool HasCharts() { return !kUplotJs.empty(); }

std::string ScriptSafe(const nlohmann::ordered_json& json) {
  const std::string text =
      json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  std::string safe;
  safe.reserve(text.size());
  for (const char c : text) {
    if (c == '<') {
      safe += "\\u003c";
    } else if (c == '>') {
      safe += "\\u003e";
    } else if (c == '&') {
      safe += "\\u0026";
    } else {
      safe += c;
    }
  }
  return safe;
}

Result<std::string> RenderPage(const nlohmann::ordered_json& runs, PageKind kind) {
  if (!HasCharts()) {
    return Failed(
        "this program was built without uPlot, which draws the report's charts: run "
        "scripts/fetch_uplot.sh and build again");
  }
  const bool live = kind == PageKind::kLive;
  return Fill(kReportHtml, {{"connect", live ? " connect-src 'self';" : ""},
                            {"live", live ? "yes" : "no"},
                            {"css", kReportCss},
                            {"uplot_css", kUplotCss},
                            {"uplot_js", kUplotJs},
                            {"charts_js", kChartsJs},
                            {"js", kReportJs},
                            {"data", ScriptSafe(runs)}});
}

}  // namespace ndcao
