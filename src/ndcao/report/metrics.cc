#include "ndcao/report/metrics.h"

#include <cmath>
#include <cstdio>
#include <deque>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "ndcao/report/json_number.h"

namespace ndcao {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kGroupsPerLine = 64;
constexpr std::size_t kReadAtOnce = 1024;

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
  MetricsWriter(const FoldHistory& fold, std::ostream& out) : fold_(fold), out_(out) {}

  void Add(const Entry& entry) {
    AddFold(entry.offset);
    if (const auto* group = std::get_if<GroupRecord>(&entry.record)) {
      window_.Add(entry, *group);
      forwards_ += group->examples;
      if (window_.groups == kGroupsPerLine) Flush(entry.offset);
    } else if (const auto* mark = std::get_if<MarkRecord>(&entry.record)) {
      Line({{"type", "mark"},
            {"offset", entry.offset},
            {"image_forwards", mark->image_forwards},
            {"seconds", mark->seconds},
            {"train_loss", JsonNumber(mark->train_loss)},
            {"test_loss", JsonNumber(mark->test_loss)},
            {"test_accuracy", JsonNumber(mark->test_accuracy)},
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

  void Finish(Offset records) {
    if (window_.groups > 0) Flush(last_);
    AddFold(last_ + 1);
    Json names = Json::array(), sizes = Json::array(), cohorts = Json::array();
    for (const FoldHistory::BlockInfo& block : fold_.blocks()) {
      names.push_back(block.name);
      sizes.push_back(block.parameters);
    }
    for (const FoldHistory::CohortInfo& cohort : fold_.cohorts()) {
      cohorts.push_back({{"optimizer", cohort.optimizer}, {"blocks", cohort.blocks}});
    }
    Line({{"type", "end"},
          {"records", records},
          {"folded_from", fold_.begin()},
          {"blocks_in_run", fold_.blocks_in_run()},
          {"blocks", std::move(names)},
          {"parameters", std::move(sizes)},
          {"cohorts", std::move(cohorts)}});
  }

 private:
  /// The samples of the fold up to an offset.
  void AddFold(Offset until) {
    for (; samples_ < fold_.samples().size(); ++samples_) {
      const FoldHistory::Sample& sample = fold_.samples()[samples_];
      if (sample.offset > until) return;
      Json cohorts = Json::array();
      for (const std::vector<Statistic>& statistics : sample.cohorts) {
        Json cohort = Json::object();
        for (const Statistic& s : statistics) cohort[s.name] = JsonNumber(s.value);
        cohorts.push_back(std::move(cohort));
      }
      Line({{"type", "blocks"},
            {"offset", sample.offset - 1},
            {"image_forwards", sample.image_forwards},
            {"cohorts", std::move(cohorts)},
            {"moved", sample.moved}});
    }
  }
  void Flush(Offset offset) {
    Line({{"type", "groups"},
          {"offset", offset},
          {"journaled_forwards", forwards_},
          {"groups", window_.groups},
          {"centre",
           JsonNumber(window_.finite > 0 ? window_.centre / static_cast<double>(window_.finite)
                                         : NAN)},
          {"records_late", window_.lateness / static_cast<double>(window_.groups)}});
    window_ = {};
  }
  void Line(const Json& json) {
    out_ << json.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n';
  }

  const FoldHistory& fold_;
  std::size_t samples_ = 0;  // of the fold, written so far
  std::ostream& out_;
  Window window_;
  std::uint64_t forwards_ = 0;
  Offset last_ = 0;
};

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

double NumberOr(const Json& json, double otherwise) {
  return json.is_number() ? json.get<double>() : otherwise;
}

FoldHistory::Sample ReadSample(const Json& line) {
  FoldHistory::Sample sample{
      line.at("offset").get<Offset>() + 1, 0, line.at("image_forwards"), {}, {}};
  for (const Json& cohort : line.at("cohorts")) {
    std::vector<Statistic>& statistics = sample.cohorts.emplace_back();
    for (const auto& [name, value] : cohort.items()) {
      statistics.push_back({name, NumberOr(value, kUnknown)});
    }
  }
  for (const Json& move : line.at("moved")) {
    sample.moved.push_back(static_cast<float>(NumberOr(move, kUnknown)));
  }
  return sample;
}

std::optional<FoldHistory> ReadEnd(const Json& end, Offset records,
                                   std::vector<FoldHistory::Sample> samples) {
  if (end.at("records") != records || end.at("folded_from") != 0) return std::nullopt;
  std::vector<FoldHistory::BlockInfo> blocks;
  for (std::size_t b = 0; b < end.at("blocks").size(); ++b) {
    blocks.push_back({0, end.at("blocks")[b], end.at("parameters").at(b)});
  }
  std::vector<FoldHistory::CohortInfo> cohorts;
  for (const Json& cohort : end.at("cohorts")) {
    cohorts.push_back({cohort.at("optimizer"), cohort.at("blocks")});
  }
  for (const FoldHistory::Sample& sample : samples) {
    if (sample.cohorts.size() != cohorts.size() || sample.moved.size() != blocks.size()) {
      return std::nullopt;
    }
  }
  return FoldHistory(end.at("blocks_in_run"), std::move(cohorts), std::move(blocks),
                     std::move(samples));
}

}  // namespace

std::optional<FoldHistory> ReadFoldHistory(const std::string& path, Offset records) {
  std::ifstream in(path);
  std::vector<FoldHistory::Sample> samples;
  try {
    for (std::string text; std::getline(in, text);) {
      const Json line = Json::parse(text);
      if (line.at("type") == "blocks") samples.push_back(ReadSample(line));
      if (line.at("type") == "end") return ReadEnd(line, records, std::move(samples));
    }
  } catch (const nlohmann::json::exception&) {
    // Written by another version, or by somebody else: fold the journal instead.
  }
  return std::nullopt;
}

Status WriteMetrics(Journal& journal, const FoldHistory& fold, const std::string& path) {
  const std::string aside = path + ".partial";
  std::ofstream out(aside);
  MetricsWriter writer(fold, out);
  Offset next = 0;
  while (true) {
    NDCAO_ASSIGN(const auto entries, journal.Read(next, kReadAtOnce, std::chrono::milliseconds(0)));
    if (entries.empty()) break;
    for (const Entry& entry : entries) writer.Add(entry);
    next += entries.size();
  }
  writer.Finish(next);
  out.close();
  if (!out || std::rename(aside.c_str(), path.c_str()) != 0) {
    return Failed("cannot write '" + path + "'");
  }
  return Ok();
}

}  // namespace ndcao
