#include "ndcao/report/metrics.h"

#include <cmath>
#include <cstdio>
#include <deque>
#include <fstream>
#include <nlohmann/json.hpp>

namespace ndcao {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kGroupsPerLine = 64;
constexpr std::size_t kReadAtOnce = 1024;

Json Number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

/// Sums over the groups of one line.
struct Window {
  std::size_t groups = 0;
  std::size_t finite = 0;
  double centre = 0;
  double lateness = 0;  // records between the base and the group

  void Add(const Entry& entry, const GroupRecord& group) {
    ++groups;
    lateness += static_cast<double>(entry.offset - group.base);
    if (std::isfinite(group.centre)) centre += group.centre, ++finite;
  }
};

class MetricsWriter {
 public:
  explicit MetricsWriter(std::ostream& out) : out_(out) {}

  void Add(const Entry& entry) {
    if (const auto* group = std::get_if<GroupRecord>(&entry.record)) {
      window_.Add(entry, *group);
      forwards_ += group->examples;
      if (window_.groups == kGroupsPerLine) Flush(entry.offset);
    } else if (const auto* mark = std::get_if<MarkRecord>(&entry.record)) {
      Line({{"type", "mark"},
            {"offset", entry.offset},
            {"image_forwards", mark->image_forwards},
            {"seconds", mark->seconds},
            {"train_loss", Number(mark->train_loss)},
            {"test_loss", Number(mark->test_loss)},
            {"test_accuracy", Number(mark->test_accuracy)},
            {"note", mark->note}});
    } else if (const auto* decision = std::get_if<DecisionRecord>(&entry.record)) {
      Line({{"type", "decision"}, {"offset", entry.offset}, {"text", decision->text}});
    } else if (const auto* budget = std::get_if<BudgetRecord>(&entry.record)) {
      Line({{"type", "budget"},
            {"offset", entry.offset},
            {"image_forwards", budget->image_forwards}});
    }
    last_ = entry.offset;
  }

  void Finish() {
    if (window_.groups > 0) Flush(last_);
  }

 private:
  void Flush(Offset offset) {
    Line({{"type", "groups"},
          {"offset", offset},
          {"journaled_forwards", forwards_},
          {"groups", window_.groups},
          {"centre",
           Number(window_.finite > 0 ? window_.centre / static_cast<double>(window_.finite) : NAN)},
          {"records_late", window_.lateness / static_cast<double>(window_.groups)}});
    window_ = {};
  }
  void Line(const Json& json) { out_ << json.dump() << '\n'; }

  std::ostream& out_;
  Window window_;
  std::uint64_t forwards_ = 0;
  Offset last_ = 0;
};

}  // namespace

Status WriteMetrics(Journal& journal, const std::string& path) {
  const std::string aside = path + ".partial";
  std::ofstream out(aside);
  MetricsWriter writer(out);
  for (Offset next = 0;;) {
    NDCAO_ASSIGN(const auto entries, journal.Read(next, kReadAtOnce, std::chrono::milliseconds(0)));
    if (entries.empty()) break;
    for (const Entry& entry : entries) writer.Add(entry);
    next += entries.size();
  }
  writer.Finish();
  out.close();
  if (!out || std::rename(aside.c_str(), path.c_str()) != 0) {
    return Failed("cannot write '" + path + "'");
  }
  return Ok();
}

}  // namespace ndcao
