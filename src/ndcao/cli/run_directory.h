// A run on disk: spec.toml, layout.json, initial.bin, journal/, snapshots/, metrics.jsonl,
// model.pt.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "ndcao/base/result.h"
#include "ndcao/cli/run_options.h"
#include "ndcao/journal/file/file_journal.h"
#include "ndcao/journal/file/run_lock.h"
#include "ndcao/journal/file/snapshot_store.h"
#include "ndcao/params/layout.h"
#include "ndcao/replica/replica.h"

namespace ndcao {

class RunDirectory {
 public:
  /// Begins a run in a directory that holds none yet, and writes record 0.
  /// A TorchScript file is copied into it, so that the run does not depend on where it lies.
  static Result<RunDirectory> Create(const std::string& path, const RunSpec& spec,
                                     const Layout& layout, const ParameterVector& initial,
                                     const FileJournalOptions& options);
  /// Opens a run that exists. Checks that spec and initial parameters are those of record 0.
  static Result<RunDirectory> Open(const std::string& path, const FileJournalOptions& options);

  const std::string& path() const { return path_; }
  std::string File(const std::string& name) const { return path_ + "/" + name; }
  const RunSpec& spec() const { return spec_; }
  const ParameterVector& initial() const { return initial_; }
  FileJournal& journal() { return *journal_; }

  /// Where this run's problem is found on this machine.
  ProblemSources Sources(const std::string& data_dir, double exec_timeout) const;

  /// The fold of the journal up to `until` (exclusive), from the newest snapshot that helps
  /// unless `from_start`.
  Result<Replica> Fold(const Layout& layout, Offset until, bool from_start);
  /// Folds into a replica that has been begun, up to `until` (exclusive).
  Status FoldInto(Replica& replica, Offset until);
  /// The layout of θ, as the run was begun with.
  Result<Layout> ReadLayout() const;
  /// θ as it is now: of a run that probes activations, from its newest snapshot.
  Result<ParameterVector> Parameters(const Layout& layout);

  /// Runs that probe activations: held by the one process that trains. kConflict if another does.
  Result<RunLock> TakeTraining();
  std::optional<Snapshot> NewestSnapshot() const;
  /// Keeps the state after `step` steps, from which the run can go on.
  Status KeepState(std::uint64_t step, std::span<const std::byte> state);
  /// Error for verbs that fold the journal, where there is nothing to fold.
  Status NeedsFold(const std::string& verb) const;

  /// Keeps the replica's state, so that the next Fold begins there. Failing costs only time.
  void SaveSnapshot(const Replica& replica);

 private:
  RunDirectory(std::string path, RunLock lock, std::unique_ptr<FileJournal> journal)
      : path_(std::move(path)), lock_(std::move(lock)), journal_(std::move(journal)) {}

  Result<Replica> StartingPoint(const Layout& layout, Offset until, bool from_start);

  std::string path_;
  RunLock lock_;
  std::unique_ptr<FileJournal> journal_;
  RunSpec spec_;
  ParameterVector initial_;
};

/// The default --out: runs/MODEL-DATA-seedS, with a number behind it if that exists.
std::string DefaultRunDirectory(const RunSpec& spec);

}  // namespace ndcao
