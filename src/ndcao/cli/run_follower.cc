#include "ndcao/cli/run_follower.h"

#include <fmt/format.h>

#include <algorithm>

#include "ndcao/cli/files.h"
#include "ndcao/cli/run_command.h"
#include "ndcao/report/metrics.h"
#include "ndcao/report/page.h"

namespace ndcao {
namespace {

constexpr std::size_t kReadAtOnce = 1024;

}  // namespace

Result<std::unique_ptr<RunFollower>> RunFollower::Open(const std::string& path) {
  FileJournalOptions options;
  options.mode = OpenMode::kReadOnly;
  NDCAO_ASSIGN(RunDirectory directory, RunDirectory::Open(path, options));
  ReportedRun run = DescribeRun(directory, RunHistory(directory.spec()), {});
  auto follower =
      std::unique_ptr<RunFollower>(new RunFollower(std::move(directory), std::move(run)));
  NDCAO_TRY(follower->BeginFold());
  return follower;
}

// A run that has ended has kept its fold's history.
Status RunFollower::BeginFold() {
  NDCAO_ASSIGN(const Offset records, directory_.journal().End());
  if (auto kept = ReadFoldHistory(directory_.File("metrics.jsonl"), records)) {
    run_.fold = std::move(*kept);
    kept_until_ = records;
    return Ok();
  }
  if (directory_.spec().probe == ProbeTarget::kActivations) {
    run_.fold_note = "The run probes activations: its blocks' steps are not in the journal.";
    return Ok();
  }
  NDCAO_ASSIGN(const Layout layout, directory_.ReadLayout());
  NDCAO_ASSIGN(replica_, Replica::Create(directory_.spec(), layout, directory_.initial()));
  return Ok();
}

Status RunFollower::CatchUp() {
  while (true) {
    NDCAO_ASSIGN(const auto entries,
                 directory_.journal().Read(run_.history.next_offset(), kReadAtOnce,
                                           std::chrono::milliseconds(0)));
    for (const Entry& entry : entries) {
      run_.history.Add(entry);
      Fold(entry);
    }
    if (entries.empty()) break;
  }
  run_.journal_bytes = directory_.journal().bytes();
  run_.command = FormatCommand(run_.history.spec(), run_.history.budget());
  return Ok();
}

void RunFollower::Fold(const Entry& entry) {
  if (kept_until_ > 0 && entry.offset >= kept_until_) {
    run_.fold_note = fmt::format("The blocks are shown up to record {}.", kept_until_);
  }
  if (!replica_) return;
  SerialExecutor executor;
  const Result<Outcome> outcome = replica_->Apply(entry, executor);
  if (outcome.ok()) {
    run_.fold.Add(*replica_);
    return;
  }
  run_.fold_note = fmt::format(
      "The blocks' history ends at record {}, where the journal cannot be "
      "folded: {}.",
      entry.offset, outcome.error().message());
  replica_.reset();
}

ReportedRun DescribeRun(RunHome& home, RunHistory history, FoldHistory fold) {
  ReportedRun run{home.name(),
                  FormatCommand(history.spec(), history.budget()),
                  std::move(history),
                  std::move(fold),
                  "",
                  home.journal().bytes()};
  if (run.fold.begin() > 0) {
    run.fold_note = fmt::format("The blocks are shown from record {} on, where this session began",
                                run.fold.begin());
    const bool on_disk = home.products() == home.name();
    run.fold_note +=
        on_disk ? fmt::format("; 'ndcao report {}' shows all of it.", home.name()) : ".";
  }
  return run;
}

Result<RunHistory> ReadHistory(RunHome& home, Offset until) {
  RunHistory history(home.spec());
  while (history.next_offset() < until) {
    const auto want = std::min<Offset>(kReadAtOnce, until - history.next_offset());
    NDCAO_ASSIGN(const auto entries,
                 home.journal().Read(history.next_offset(), want, std::chrono::milliseconds(0)));
    if (entries.empty()) break;
    for (const Entry& entry : entries) history.Add(entry);
  }
  return history;
}

Status WritePage(RunHome& run, FoldHistory fold, const std::string& path) {
  if (!HasCharts()) return Ok();  // `ndcao report` says what is missing
  NDCAO_ASSIGN(RunHistory history, ReadHistory(run));
  const ReportedRun reported = DescribeRun(run, std::move(history), std::move(fold));
  NDCAO_ASSIGN(const std::string page,
               RenderPage(nlohmann::ordered_json::array({RunJson(reported)}), PageKind::kFile));
  return WriteText(path, page);
}

}  // namespace ndcao
