// A run on disk: spec.toml, layout.json, initial.bin, journal/, snapshots/, metrics.jsonl,
// report.html, model.pt.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "ndcao/base/result.h"
#include "ndcao/cli/run_home.h"
#include "ndcao/journal/file/file_journal.h"
#include "ndcao/journal/file/run_lock.h"
#include "ndcao/journal/file/snapshot_store.h"

namespace ndcao {

class RunDirectory : public RunHome {
 public:
  /// Begins a run in a directory that holds none yet, and writes record 0.
  /// A TorchScript file is copied into it, so that the run does not depend on where it lies.
  static Result<RunDirectory> Create(const std::string& path, const RunSpec& spec,
                                     const Layout& layout, const ParameterVector& initial,
                                     const FileJournalOptions& options);
  /// Opens a run that exists. Its spec is that of record 0 (spec.toml is for people), and its
  /// initial parameters have to be.
  static Result<RunDirectory> Open(const std::string& path, const FileJournalOptions& options);

  const std::string& path() const { return path_; }
  std::string File(const std::string& name) const { return path_ + "/" + name; }
  FileJournal& journal() override { return *journal_; }
  Result<Offset> End() override { return journal_->End(); }
  Result<Layout> ReadLayout() const override;
  ProblemSources Sources(const std::string& data_dir, double exec_timeout) const override;

  std::string name() const override { return path_; }
  std::string HowToGoOn(bool helper) const override;
  std::string products() const override { return path_; }

  RunDirectory* directory() override { return this; }

  /// Of a run that probes activations: θ of its newest snapshot; kFailed if there is none.
  Result<ParameterVector> Parameters(const Layout& layout) override;
  void SaveSnapshot(const Replica& replica, bool last) override;
  Result<std::uint64_t> TornTail() override { return journal_->TornTail(); }
  Status CheckChain(const Replica& replica) override;

  /// Runs that probe activations: held by the one process that trains. kConflict if another does.
  Result<RunLock> TakeTraining();
  std::optional<Snapshot> NewestSnapshot() const;
  /// Keeps the state after `step` steps, from which the run can go on.
  Status KeepState(std::uint64_t step, std::span<const std::byte> state);

 protected:
  std::optional<Replica> Restore(const Layout& layout, Offset until) override;

 private:
  RunDirectory(std::string path, RunLock lock, std::unique_ptr<FileJournal> journal)
      : path_(std::move(path)), lock_(std::move(lock)), journal_(std::move(journal)) {}

  std::string path_;
  RunLock lock_;
  std::unique_ptr<FileJournal> journal_;
};

/// kInvalid if `path`, the value of `flag`, cannot be written as a file, or is one that some run is
/// read from. Empty: nothing is written.
Status CheckOutput(const std::string& flag, const std::string& path);

/// The default --out: runs/MODEL-DATA-seedS, with a number behind it if that exists.
std::string DefaultRunDirectory(const RunSpec& spec);

}  // namespace ndcao
