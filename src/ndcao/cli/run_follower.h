// Reads a run for the report, as far as it has come; the run may still be written.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "ndcao/base/result.h"
#include "ndcao/cli/run_directory.h"
#include "ndcao/replica/replica.h"
#include "ndcao/report/run_json.h"

namespace ndcao {

class RunFollower {
 public:
  /// Opens a run directory for reading only.
  static Result<std::unique_ptr<RunFollower>> Open(const std::string& path);

  /// Reads and folds what has been journaled since the last call. A fold that fails is given up
  /// and noted; the journal is read on.
  Status CatchUp();
  const ReportedRun& run() const { return run_; }

 private:
  RunFollower(RunDirectory directory, ReportedRun run)
      : directory_(std::move(directory)), run_(std::move(run)) {}

  Status BeginFold();
  void Fold(const Entry& entry);

  RunDirectory directory_;
  ReportedRun run_;
  Offset kept_until_ = 0;           // the fold was kept, not made, up to here
  std::optional<Replica> replica_;  // none if the fold has failed, or was kept
};

/// The page's view of a run whose history and fold are at hand.
ReportedRun DescribeRun(RunHome& home, RunHistory history, FoldHistory fold);

/// Writes the page of this one run; without charts, nothing.
Status WritePage(RunHome& run, FoldHistory fold, const std::string& path);

/// The history that the journal tells up to `until` (exclusive).
Result<RunHistory> ReadHistory(RunHome& home, Offset until = ~Offset{0});

}  // namespace ndcao
