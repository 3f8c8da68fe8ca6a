#include "ndcao/cli/activation_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <thread>

#include "ndcao/base/log.h"
#include "ndcao/cli/command.h"
#include "ndcao/cli/files.h"
#include "ndcao/cli/interrupt.h"
#include "ndcao/cli/progress.h"
#include "ndcao/cli/run_follower.h"
#include "ndcao/cli/score_json.h"
#include "ndcao/evaluate/torch/network_problem.h"
#include "ndcao/report/metrics.h"
#include "ndcao/worker/activation_session.h"

namespace ndcao {
namespace {

using Clock = std::chrono::steady_clock;

/// The budget as the journal's newest record has it.
Result<std::uint64_t> JournaledBudget(RunDirectory& run) {
  std::uint64_t budget = run.spec().budget;
  for (Offset next = 0;;) {
    NDCAO_ASSIGN(const auto entries, run.journal().Read(next, 1024, std::chrono::milliseconds(0)));
    if (entries.empty()) return budget;
    for (const Entry& entry : entries) {
      const auto* record = std::get_if<BudgetRecord>(&entry.record);
      if (record != nullptr) budget = record->image_forwards;
    }
    next += entries.size();
  }
}

Result<ActivationReplica> StartingPoint(RunDirectory& run, const Problem& problem,
                                        const SiteTable& sites) {
  const auto newest = run.NewestSnapshot();
  if (newest) {
    return ActivationReplica::Restore(run.spec(), problem.layout(), sites, newest->bytes);
  }
  return ActivationReplica::Create(run.spec(), problem.layout(), run.initial(), sites);
}

Status RaiseBudget(RunDirectory& run, ActivationReplica& replica, const std::string& text) {
  NDCAO_ASSIGN(std::uint64_t budget, JournaledBudget(run));
  if (!text.empty()) {
    NDCAO_ASSIGN(const std::uint64_t wanted, ParseQuantity("--budget", text));
    if (wanted < replica.counters().image_forwards) {
      return Invalid(fmt::format("--budget {}: the run has used {} image-forwards already", text,
                                 replica.counters().image_forwards));
    }
    if (wanted != budget) NDCAO_TRY(run.journal().Append(BudgetRecord{wanted}));
    budget = wanted;
  }
  replica.set_budget(budget);
  return Ok();
}

struct Ending {
  Score score;
  SessionResult session;
};

Status WriteProducts(RunDirectory& run, const Problem& problem, const ActivationReplica& replica,
                     const ProbePlan& plan, const Ending& ending, bool page) {
  MarkRecord mark;
  mark.image_forwards = replica.counters().image_forwards;
  mark.seconds = ending.session.seconds;
  mark.train_loss = static_cast<float>(replica.train_loss());
  mark.test_loss = static_cast<float>(ending.score.loss);
  mark.test_accuracy = static_cast<float>(ending.score.accuracy);
  const std::string foreseen = ForeseenText(plan, replica);
  mark.note = ending.session.done ? kBudgetUsedUp : "time over";
  if (!foreseen.empty()) mark.note += "; " + foreseen;
  NDCAO_TRY(run.journal().Append(mark));
  NDCAO_TRY(WriteMetrics(run.journal(), {}, run.File("metrics.jsonl")));
  if (page) NDCAO_TRY(WritePage(run, {}, run.File("report.html")));
  return WriteModel(problem, replica.parameters(), run.File("model.pt"));
}

void PrintEnding(const Ending& ending, RunDirectory& run, const ActivationReplica& replica,
                 const ProbePlan& plan) {
  const auto forwards = static_cast<double>(replica.counters().image_forwards);
  fmt::print("test accuracy  {:.2f} %\n", 100 * ending.score.accuracy);
  fmt::print("test loss      {:.4f}\n", ending.score.loss);
  fmt::print("work           {} image-forwards in {}, {} blocks\n", FormatCount(forwards),
             FormatDuration(ending.session.seconds), replica.partition().blocks().size());
  const std::string foreseen = ForeseenText(plan, replica);
  if (!foreseen.empty()) fmt::print("foreseen       {}\n", foreseen);
  fmt::print("digest         {}\n", replica.digest());
  fmt::print("run directory  {}\n", run.path());
}

std::string EndingJson(const Ending& ending, RunDirectory& run, const ActivationReplica& replica) {
  const ActivationCounters& counters = replica.counters();
  nlohmann::ordered_json json = ScoreJson(ending.score, replica.train_loss());
  json["image_forwards"] = counters.image_forwards;
  json["image_forwards_wasted"] = 0;
  json["loss_evaluations"] = counters.evaluations;
  json["wall_seconds"] = ending.session.seconds;
  json["images_per_second"] =
      static_cast<double>(ending.session.image_forwards) / std::max(1e-9, ending.session.seconds);
  json["parameters"] = replica.parameters().size();
  json["blocks"] = replica.partition().blocks().size();
  json["steps"] = counters.steps;
  json["batch"] = run.spec().batch;
  json["journal_bytes"] = run.journal().bytes();
  json["digest"] = replica.digest();
  json["run_dir"] = run.path();
  return json.dump();
}

}  // namespace

Result<int> TrainActivations(RunDirectory& run, const Problem& problem, const TrainOptions& options,
                             const std::string& budget) {
  NDCAO_ASSIGN(const RunLock alone, run.TakeTraining());
  ActivationSession::Evaluators evaluators;
  for (std::uint32_t slot = 0; slot < run.spec().shape.slots; ++slot) {
    NDCAO_ASSIGN(auto evaluator, NewActivationEvaluator(problem));
    evaluators.push_back(std::move(evaluator));
  }
  const ProbePlan plan = evaluators.front()->plan();
  NDCAO_ASSIGN(ActivationReplica replica, StartingPoint(run, problem, TableOf(plan)));
  NDCAO_TRY(RaiseBudget(run, replica, budget));
  NDCAO_TRY(WriteText(run.File(kProbesFile), FormatProbePlan(plan)));
  CatchInterrupts();
  ProgressDisplay display(options.quiet, options.label);
  const auto keep = [&] { return run.KeepState(replica.counters().steps, replica.Snapshot()); };
  auto kept = Clock::now();
  SessionOptions session_options = MakeSessionOptions(options);
  session_options.name = run.WorkerName();
  session_options.on_progress = [&](const SessionProgress& now) { display.Update(now); };
  ActivationSession session(run.spec(), problem, std::move(evaluators), run.journal(), replica,
                            std::move(session_options));
  session.between_steps = [&] {
    const double since = std::chrono::duration<double>(Clock::now() - kept).count();
    if (options.snapshot_seconds == 0 || since < options.snapshot_seconds) return;
    const Status status = keep();
    if (!status.ok()) spdlog::warn("no snapshot: {}", status.error().message());
    kept = Clock::now();
  };
  const Result<SessionResult> result = session.Run();
  display.Finish();
  if (!result.ok()) return result.error().Context(fmt::format("run {}", run.path()));
  NDCAO_TRY(keep());
  Ending ending;
  ending.session = result.value();
  if (ending.session.cancelled) {
    PrintStopped(run, options);
    return kExitInterrupted;
  }
  NDCAO_ASSIGN(const auto evaluator, problem.NewEvaluator());
  std::copy(replica.parameters().begin(), replica.parameters().end(),
            evaluator->parameters().begin());
  NDCAO_ASSIGN(ending.score, evaluator->Test());
  NDCAO_TRY(WriteProducts(run, problem, replica, plan, ending, options.page));
  if (!options.quiet && options.label.empty()) PrintEnding(ending, run, replica, plan);
  if (options.json) fmt::print("{}\n", EndingJson(ending, run, replica));
  return kExitDone;
}

}  // namespace ndcao
