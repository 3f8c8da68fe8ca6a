// A run, wherever it is kept: in a directory, on a NATS server, or in memory.
#pragma once

#include <memory>
#include <string>

#include "ndcao/base/result.h"
#include "ndcao/cli/run_options.h"
#include "ndcao/journal/journal.h"
#include "ndcao/params/layout.h"
#include "ndcao/replica/replica.h"
#include "ndcao/worker/session.h"

namespace ndcao {

class RunDirectory;

class RunHome {
 public:
  virtual ~RunHome() = default;

  const RunSpec& spec() const { return spec_; }
  const ParameterVector& initial() const { return initial_; }
  virtual Journal& journal() = 0;
  /// Number of records by now.
  virtual Result<Offset> End() = 0;
  /// The layout of θ, as the run was begun with.
  virtual Result<Layout> ReadLayout() const = 0;
  /// Where this run's problem is found on this machine.
  virtual ProblemSources Sources(const std::string& data_dir, double exec_timeout) const = 0;

  /// For people: "runs/a", "demo on nats://host:4222".
  virtual std::string name() const = 0;
  /// The command that goes on with the run (or, for a helper, joins it again); empty: none does.
  virtual std::string HowToGoOn(bool helper) const = 0;
  /// Whom this process works as: processes of one name are one to those who audit them.
  virtual std::string WorkerName() const;
  /// Who alone may change the budget, by WorkerName; empty: anybody.
  virtual std::string BudgetOwner() const { return ""; }
  /// Where model.pt and metrics.jsonl go; empty: nowhere.
  virtual std::string products() const = 0;

  /// The run's directory; null for a run that is kept elsewhere.
  virtual RunDirectory* directory() { return nullptr; }

  /// θ as it is now.
  virtual Result<ParameterVector> Parameters(const Layout& layout);
  /// Error for verbs that fold the journal, where there is nothing to fold.
  Status NeedsFold(const std::string& verb) const;
  /// The fold of the journal up to `until` (exclusive), from the newest snapshot that helps
  /// unless `from_start`.
  Result<Replica> Fold(const Layout& layout, Offset until, bool from_start);
  /// Folds into a replica that has been begun, up to `until` (exclusive).
  Status FoldInto(Replica& replica, Offset until);

  /// Keeps the replica's state, so that the next Fold begins there. Failing costs only time.
  /// `last`: nobody will keep a newer one for a while.
  virtual void SaveSnapshot(const Replica& replica, bool last) = 0;
  /// After the journal has failed: true if it was opened anew and a new fold may go on.
  virtual Result<bool> Reopen() { return false; }
  /// Tells others how it goes (called often), and that this process leaves.
  virtual void Beat(const SessionProgress&) {}
  virtual void Leave() {}

  /// Bytes of an unfinished record behind the journal's end.
  virtual Result<std::uint64_t> TornTail() { return std::uint64_t{0}; }
  /// kCorrupt if the journal's own chain at its end is not that of the folded records.
  virtual Status CheckChain(const Replica&) { return Ok(); }
  /// What there is to say about the journal; empty: nothing.
  virtual std::string Remarks() const { return ""; }

 protected:
  /// The newest state at or before `until` that belongs to this journal, if any is kept.
  virtual std::optional<Replica> Restore(const Layout& layout, Offset until) = 0;

  RunSpec spec_;
  ParameterVector initial_;
};

/// Folds what the journal has from the replica's next offset on, up to `until` (exclusive), on all
/// cores.
Status FoldJournal(Journal& journal, Replica& replica, Offset until = ~Offset{0});

/// Record 0 of a journal. kInvalid, naming `where`, if there is none within `wait`.
Result<SpecRecord> ReadSpecRecord(Journal& journal, const std::string& where,
                                  std::chrono::milliseconds wait);

/// A layout as JSON text and back. kCorrupt, naming `where`, if it does not fit `parameters`.
std::string FormatLayout(const Layout& layout);
Result<Layout> ParseLayout(const std::string& text, const std::string& where,
                           std::uint64_t parameters);

}  // namespace ndcao
