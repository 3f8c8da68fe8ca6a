#include "ndcao/cli/train_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "ndcao/base/log.h"
#include "ndcao/cli/audit_summary.h"
#include "ndcao/cli/command.h"
#include "ndcao/cli/files.h"
#include "ndcao/cli/interrupt.h"
#include "ndcao/cli/number_checks.h"
#include "ndcao/cli/progress.h"
#include "ndcao/cli/run_command.h"
#include "ndcao/cli/run_follower.h"
#include "ndcao/cli/score_json.h"
#include "ndcao/evaluate/torch/network_problem.h"
#include "ndcao/report/metrics.h"
#include "ndcao/report/page.h"

namespace ndcao {
namespace {

struct Summary {
  Score score;
  double train_loss = NAN;
  SessionResult session;
  FoldHistory fold;
};

nlohmann::ordered_json SummaryJson(const Summary& summary, RunHome& run, const Replica& replica) {
  const ReplicaCounters& counters = replica.counters();
  nlohmann::ordered_json json = ScoreJson(summary.score, summary.train_loss);
  json["image_forwards"] = counters.image_forwards;
  json["image_forwards_wasted"] = counters.image_forwards_wasted;
  json["loss_evaluations"] = counters.evaluations;
  json["wall_seconds"] = summary.session.seconds;
  json["images_per_second"] =
      static_cast<double>(summary.session.image_forwards) / std::max(1e-9, summary.session.seconds);
  json["parameters"] = replica.parameters()->size();
  json["blocks"] = replica.partition().blocks().size();
  json["groups"] = counters.groups;
  json["stale"] = counters.stale;
  if (replica.audits() != nullptr) json["audits"] = AuditJson(*replica.audits());
  json["batch"] = replica.spec().batch;
  json["journal_bytes"] = run.journal().bytes();
  json["digest"] = replica.digest();
  json["run_dir"] = run.products();
  return json;
}

void PrintSummary(const Summary& summary, RunHome& run, const Replica& replica) {
  const ReplicaCounters& counters = replica.counters();
  if (!std::isnan(summary.score.accuracy)) {
    fmt::print("test accuracy  {:.2f} %\n", 100 * summary.score.accuracy);
  }
  fmt::print("test loss      {:.4f}\n", summary.score.loss);
  fmt::print("work           {} image-forwards in {} ({}/s), {} blocks\n",
             FormatCount(static_cast<double>(counters.image_forwards)),
             FormatDuration(summary.session.seconds),
             FormatCount(static_cast<double>(summary.session.image_forwards) /
                         std::max(1e-9, summary.session.seconds)),
             replica.partition().blocks().size());
  fmt::print("journal        {} bytes for {} losses\n", run.journal().bytes(),
             counters.evaluations);
  if (replica.audits() != nullptr) {
    fmt::print("audits         {}\n", DescribeAudits(*replica.audits()));
  }
  fmt::print("digest         {}\n", replica.digest());
  fmt::print("run            {}\n", run.name());
}

Status WriteProducts(RunHome& run, const Replica& replica, const Problem& problem, FoldHistory fold,
                     bool page) {
  const std::string directory = run.products();
  if (directory.empty()) return Ok();
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return Failed(fmt::format("cannot make '{}': {}", directory, error.message()));
  NDCAO_TRY(WriteMetrics(run.journal(), fold, directory + "/metrics.jsonl"));
  if (page) NDCAO_TRY(WritePage(run, std::move(fold), directory + "/report.html"));
  if (run.spec().model.empty())
    return WriteParameters(directory + "/parameters.bin", *replica.parameters());
  return WriteModel(problem, *replica.parameters(), directory + "/model.pt");
}

Result<std::optional<MarkRecord>> NewestMark(Journal& journal) {
  constexpr std::size_t kAtOnce = 1000;
  std::optional<MarkRecord> newest;
  for (Offset at = 0;;) {
    NDCAO_ASSIGN(const auto entries, journal.Read(at, kAtOnce, std::chrono::milliseconds(0)));
    if (entries.empty()) return newest;
    at = entries.back().offset + 1;
    for (const Entry& entry : entries) {
      if (const auto* mark = std::get_if<MarkRecord>(&entry.record)) newest = *mark;
    }
  }
}

/// The last mark in the journal, unless the run has ended before and has one; then the files that
/// are made from it.
Status FinishRun(RunHome& run, const Replica& replica, const Problem& problem, Summary& summary,
                 bool page) {
  if (summary.session.done && summary.session.image_forwards == 0) {
    NDCAO_ASSIGN(const auto newest, NewestMark(run.journal()));
    if (newest) summary.train_loss = newest->train_loss;
    if (newest && newest->note == kBudgetUsedUp) {
      return WriteProducts(run, replica, problem, std::move(summary.fold), page);
    }
  }
  MarkRecord mark;
  mark.worker = summary.session.worker;
  mark.at = replica.next_offset();
  mark.image_forwards = replica.counters().image_forwards;
  mark.seconds = summary.session.seconds;
  mark.train_loss = static_cast<float>(summary.train_loss);
  mark.test_loss = static_cast<float>(summary.score.loss);
  mark.test_accuracy = static_cast<float>(summary.score.accuracy);
  mark.note = summary.session.done ? kBudgetUsedUp : "time over";
  NDCAO_TRY(run.journal().Append(mark));
  return WriteProducts(run, replica, problem, std::move(summary.fold), page);
}

Result<Score> MeasureScore(const Problem& problem, const ParameterVector& parameters) {
  NDCAO_ASSIGN(auto evaluator, problem.NewEvaluator());
  std::copy(parameters.begin(), parameters.end(), evaluator->parameters().begin());
  return evaluator->Test();
}

// Sessions until one ends well; another one after the journal had to be opened anew.
Result<SessionResult> RunSessions(RunHome& run, Replica& replica, const Problem& problem,
                                  const SessionOptions& options) {
  for (;;) {
    Session session(run.journal(), replica, problem, options);
    Result<SessionResult> result = session.Run();
    if (result.ok() || Interrupted()) return result;
    NDCAO_ASSIGN(const bool reopened, run.Reopen());
    if (!reopened) return result.error().Context("run " + run.name());
    NDCAO_ASSIGN(const Offset end, run.End());
    NDCAO_ASSIGN(replica, run.Fold(problem.layout(), end, false));
    spdlog::warn("{}; rolled back to record {}, and on from there", result.error().message(), end);
  }
}

}  // namespace

void AddTrainOptions(CLI::App& verb, TrainOptions& options) {
  verb.add_option("--threads", options.threads,
                  "Worker threads in this process, one core each (0: all cores)")
      ->check(CLI::Range(0, 1024));
  verb.add_option("--fsync", options.fsync,
                  "What the journal survives: always (power cuts), interval (power cuts but for "
                  "the last 50 ms), never (only the death of the process)")
      ->check(CLI::IsMember({"always", "interval", "never"}));
  verb.add_option(
          "--max-seconds", options.max_seconds,
          "Stop after this time (0: no limit). A run that is begun with neither --budget nor "
          "--epochs has for budget what fits into it (--probe weights)")
      ->check(AtLeastZero());
  verb.add_option(
          "--snapshot-seconds", options.snapshot_seconds,
          "Time between snapshots, from which others may catch up and runs that probe activations "
          "go on after a crash (0: none, but that such a run keeps its end)")
      ->check(AtLeastZero());
  verb.add_flag("--json", options.json, "End standard output with one JSON object");
  verb.add_flag("--quiet", options.quiet, "No progress display");
  verb.add_option("--delay-ms", options.delay_ms)->group("");  // for tests: a slow worker
}

void AddPageOption(CLI::App& verb, TrainOptions& options) {
  verb.add_flag("!--no-report", options.page, "Write no report.html at the end");
}

Result<FileJournalOptions> JournalOptions(const TrainOptions& options) {
  FileJournalOptions journal;
  NDCAO_ASSIGN(journal.fsync, ParseFsyncPolicy(options.fsync));
  return journal;
}

SessionOptions MakeSessionOptions(const TrainOptions& options) {
  SessionOptions session;
  session.threads = options.threads > 0
                        ? options.threads
                        : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  session.max_seconds = options.max_seconds;
  session.budget_from_time = options.budget_from_time;
  session.marks = options.marks;
  session.delays.assign(static_cast<std::size_t>(session.threads),
                        std::chrono::milliseconds(static_cast<long>(options.delay_ms)));
  session.stop_requested = Interrupted;
  return session;
}

Status WriteModel(const Problem& problem, std::span<const float> parameters,
                  const std::string& path) {
  NDCAO_ASSIGN(const std::string model, ExportNetwork(problem, parameters));
  return WriteText(path, model);
}

void PrintStopped(const RunHome& run, const TrainOptions& options) {
  const std::string command = run.HowToGoOn(options.leave_products);
  if (command.empty()) return spdlog::warn("stopped; the run was kept nowhere (--journal mem:)");
  spdlog::warn("stopped; nothing is lost. Go on with: {}{}{}", command, options.server_flags,
               DataDirFlag(options.data_dir));
}

int ReportError(const Error& error) {
  spdlog::error("{}", error.message());
  switch (error.code()) {
    case ErrorCode::kInvalid:
    case ErrorCode::kConflict:
      return kExitUsage;
    case ErrorCode::kCancelled:
      return kExitInterrupted;
    default:
      return kExitFailed;
  }
}

void SetAction(CLI::App& verb, Action& action, std::function<Result<int>()> work) {
  verb.callback([&action, work = std::move(work)] {
    action = [work] {
      try {
        const Result<int> code = work();
        return code.ok() ? code.value() : ReportError(code.error());
      } catch (const std::filesystem::filesystem_error& error) {
        return ReportError(Invalid(error.what()));
      } catch (const std::exception& error) {
        return ReportError(Failed(error.what()));
      }
    };
  });
}

Result<int> TrainRun(RunHome& run, Replica& replica, const Problem& problem,
                     const TrainOptions& options) {
  CatchInterrupts();
  ProgressDisplay display(options.quiet, options.label);
  Summary summary;
  SessionOptions session_options = MakeSessionOptions(options);
  session_options.name = run.WorkerName();
  session_options.on_progress = [&](const SessionProgress& progress) {
    summary.train_loss = progress.train_loss;
    display.Update(progress);
    run.Beat(progress);
  };
  auto last_snapshot = std::chrono::steady_clock::now();
  session_options.on_entry = [&](const Replica& now, const Entry&, Outcome) {
    summary.fold.Add(now);
    const auto time = std::chrono::steady_clock::now();
    const double since = std::chrono::duration<double>(time - last_snapshot).count();
    if (options.snapshot_seconds == 0 || since < options.snapshot_seconds) return;
    run.SaveSnapshot(now, false);
    last_snapshot = time;
  };
  Result<SessionResult> result = RunSessions(run, replica, problem, session_options);
  display.Finish();
  const bool stopped = Interrupted() && (!result.ok() || result.value().cancelled);
  if (!result.ok() && !stopped) return result.error();
  if (result.ok() && options.snapshot_seconds > 0) {
    run.SaveSnapshot(replica, !options.leave_products);
  }
  run.Leave();
  if (stopped) {
    PrintStopped(run, options);
    return kExitInterrupted;
  }
  summary.session = result.value();
  NDCAO_ASSIGN(summary.score, MeasureScore(problem, *replica.parameters()));
  if (!options.leave_products) NDCAO_TRY(FinishRun(run, replica, problem, summary, options.page));
  if (!options.quiet && options.label.empty()) PrintSummary(summary, run, replica);
  if (options.json) fmt::print("{}\n", SummaryJson(summary, run, replica).dump());
  return kExitDone;
}

}  // namespace ndcao
