#include "ndcao/report/run_json.h"

#include <algorithm>
#include <cmath>

#include "ndcao/base/hash.h"
#include "ndcao/report/json_number.h"

namespace ndcao {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kWorkers = 24;

/// What distinguishes runs: the page shows those that differ.
Json Facets(const RunHistory& history) {
  const RunSpec& spec = history.spec();
  Json facets;
  facets["model"] = spec.model.empty() ? spec.objective : spec.model;
  if (!spec.model.empty()) {
    facets["data"] = spec.data;
    facets["objective"] = spec.objective;
  }
  facets["mode"] = spec.mode == RunMode::kAsync ? "async" : "sync";
  facets["blocks"] = spec.blocks;
  const bool activations = spec.probe == ProbeTarget::kActivations;
  const bool strict = spec.activation.estimator == ActivationEstimator::kStrict;
  facets["probe"] = !activations ? "weights" : strict ? "activations, strict" : "activations";
  facets["optimizer"] = spec.options.optimizer;
  facets["budget"] = history.budget();
  facets["batch"] = spec.batch;
  facets["rate"] = spec.options.peer.rate;
  facets["eps"] = spec.options.noise_budget.eps;
  facets["sigma"] = spec.options.sigma;
  facets["sigma_end"] = spec.options.sigma_end;
  if (spec.clock.greatest > 1) {
    facets["periods"] =
        std::to_string(spec.clock.least) + ".." + std::to_string(spec.clock.greatest);
  } else {
    facets["periods"] = nullptr;
  }
  return facets;
}

std::string Series(RunSpec spec) {
  spec.seed = 0;
  return Hex(Hash64(FormatRunSpec(spec)));
}

Json Curve(const RunHistory& history) {
  Json forwards = Json::array(), loss = Json::array();
  for (const RunHistory::Point& point : history.points()) {
    forwards.push_back(point.image_forwards);
    loss.push_back(JsonNumber(point.loss));
  }
  return {{"forwards", forwards}, {"loss", loss}};
}

Json Marks(const RunHistory& history) {
  Json marks = Json::array();
  for (const RunHistory::Mark& mark : history.marks()) {
    marks.push_back({{"forwards", mark.record.image_forwards},
                     {"seconds", mark.seconds},
                     {"train_loss", JsonNumber(mark.record.train_loss)},
                     {"test_loss", JsonNumber(mark.record.test_loss)},
                     {"test_accuracy", JsonNumber(mark.record.test_accuracy)}});
  }
  return marks;
}

Json Workers(const RunHistory& history) {
  Json workers = Json::array();
  const auto& all = history.workers();
  for (std::size_t i = 0; i < std::min(kWorkers, all.size()); ++i) {
    Json at_marks = Json::array();
    for (const RunHistory::Mark& mark : history.marks()) {
      at_marks.push_back(i < mark.worker_forwards.size() ? mark.worker_forwards[i] : 0);
    }
    workers.push_back({{"name", all[i].name},
                       {"groups", all[i].groups},
                       {"forwards", all[i].image_forwards},
                       {"at_marks", at_marks}});
  }
  return workers;
}

Json Cohorts(const FoldHistory& fold) {
  Json cohorts = Json::array();
  for (std::size_t c = 0; c < fold.cohorts().size(); ++c) {
    Json statistics = Json::object();
    for (const FoldHistory::Sample& sample : fold.samples()) {
      for (const Statistic& statistic : sample.cohorts[c]) {
        statistics[statistic.name].push_back(JsonNumber(statistic.value));
      }
    }
    cohorts.push_back({{"optimizer", fold.cohorts()[c].optimizer},
                       {"blocks", fold.cohorts()[c].blocks},
                       {"statistics", statistics}});
  }
  return cohorts;
}

Json Fold(const FoldHistory& fold) {
  Json names = Json::array(), sizes = Json::array();
  for (const FoldHistory::BlockInfo& block : fold.blocks()) {
    names.push_back(block.name);
    sizes.push_back(block.parameters);
  }
  Json forwards = Json::array(), moved = Json::array();
  for (const FoldHistory::Sample& sample : fold.samples()) {
    forwards.push_back(sample.image_forwards);
    Json row = Json::array();
    for (const float move : sample.moved) row.push_back(JsonNumber(move));
    moved.push_back(std::move(row));
  }
  return {{"forwards", forwards},
          {"cohorts", Cohorts(fold)},
          {"blocks", names},
          {"block_parameters", sizes},
          {"moved", moved},
          {"blocks_in_run", fold.blocks_in_run()},
          {"from_record", fold.begin()}};
}

Json Totals(const ReportedRun& run) {
  const RunHistory& history = run.history;
  Json totals;
  totals["image_forwards"] = history.image_forwards();
  totals["budget"] = history.budget();
  totals["groups"] = history.groups();
  totals["duplicates"] = history.duplicates();
  totals["loss_evaluations"] = history.evaluations();
  totals["journal_bytes"] = run.journal_bytes;
  totals["parameters"] = history.parameters();
  totals["blocks"] = run.fold.blocks_in_run();
  totals["initial_loss"] = JsonNumber(history.initial_loss());
  if (history.marks().empty()) return totals;
  const RunHistory::Mark& last = history.marks().back();
  totals["note"] = last.record.note;
  totals["test_accuracy"] = JsonNumber(last.record.test_accuracy);
  totals["test_loss"] = JsonNumber(last.record.test_loss);
  totals["train_loss"] = JsonNumber(last.record.train_loss);
  totals["seconds"] = last.seconds;
  totals["images_per_second"] =
      JsonNumber(static_cast<double>(last.record.image_forwards) / last.seconds);
  return totals;
}

}  // namespace

nlohmann::ordered_json RunJson(const ReportedRun& run) {
  const RunHistory& history = run.history;
  Json json;
  json["name"] = run.name;
  json["series"] = Series(history.spec());
  json["seed"] = history.spec().seed;
  json["facets"] = Facets(history);
  json["command"] = run.command;
  json["spec"] = FormatRunSpec(history.spec());
  json["records"] = history.next_offset();
  json["totals"] = Totals(run);
  json["curve"] = Curve(history);
  json["marks"] = Marks(history);
  json["workers"] = Workers(history);
  json["workers_joined"] = history.workers().size();
  Json staleness = Json::array();
  for (const auto& [late, groups] : history.staleness()) staleness.push_back({late, groups});
  json["staleness"] = std::move(staleness);
  Json decisions = Json::array();
  for (const RunHistory::Decision& decision : history.decisions()) {
    decisions.push_back({{"offset", decision.offset}, {"text", decision.text}});
  }
  json["decisions"] = std::move(decisions);
  json["fold"] = run.fold.empty() ? Json(nullptr) : Fold(run.fold);
  json["fold_note"] = run.fold_note;
  return json;
}

}  // namespace ndcao
