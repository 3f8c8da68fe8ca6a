// A run's numbers over time, as its journal alone tells them: nothing is folded.
//
//   RunHistory history(spec);
//   for (const Entry& entry : entries) history.Add(entry);   // in order, from offset 0
//
// One thread at a time.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "ndcao/journal/record.h"
#include "ndcao/replica/run_spec.h"

namespace ndcao {

class RunHistory {
 public:
  /// A stretch of the run: about 1/256 of its budget.
  struct Point {
    Offset offset = 0;                 ///< Of its last group.
    std::uint64_t image_forwards = 0;  ///< Since the run began.
    double loss = 0;                   ///< Mean of GroupLoss; NaN if none was finite.
  };
  /// A measurement on the test part.
  struct Mark {
    Offset offset = 0;
    MarkRecord record;
    double seconds = 0;                          ///< Of training, over all sessions.
    std::vector<std::uint64_t> worker_forwards;  ///< Of each worker, since the run began.
  };
  struct Worker {
    std::string name;
    std::uint64_t groups = 0;
    std::uint64_t image_forwards = 0;
  };
  struct Decision {
    Offset offset = 0;
    std::string text;
  };

  explicit RunHistory(RunSpec spec);

  void Add(const Entry& entry);

  const RunSpec& spec() const { return spec_; }
  Offset next_offset() const { return next_offset_; }
  std::uint64_t parameters() const { return parameters_; }
  std::uint64_t budget() const { return budget_; }
  std::uint64_t groups() const { return groups_; }
  std::uint64_t duplicates() const { return duplicates_; }
  std::uint64_t image_forwards() const { return image_forwards_; }
  std::uint64_t evaluations() const { return evaluations_; }
  /// Mean loss of the first groups, which are measured before anything moves; NaN if there is none.
  double initial_loss() const { return initial_.mean(); }
  /// Groups by their staleness: groups journaled between their base and them; 0 in a synchronous
  /// run, where a round is measured at one version.
  const std::map<std::uint64_t, std::uint64_t>& staleness() const { return staleness_; }
  /// The finished stretches, and the one under way if it has a group.
  std::vector<Point> points() const;
  const std::vector<Mark>& marks() const { return marks_; }
  const std::vector<Worker>& workers() const { return workers_; }
  const std::vector<Decision>& decisions() const { return decisions_; }

 private:
  struct Mean {
    double sum = 0;
    std::uint64_t count = 0;
    void Add(double x);
    double mean() const;
  };

  void AddGroup(Offset offset, const GroupRecord& group);
  void AddMark(Offset offset, const MarkRecord& mark);
  bool IsDuplicate(TrialId trial);
  std::uint64_t Staleness(const GroupRecord& group) const;

  RunSpec spec_;
  Offset next_offset_ = 0;
  std::uint64_t parameters_ = 0;
  std::uint64_t budget_ = 0;
  std::uint64_t groups_ = 0;
  std::uint64_t duplicates_ = 0;
  std::uint64_t image_forwards_ = 0;
  std::uint64_t evaluations_ = 0;
  Mean initial_;
  Mean window_;
  Offset window_offset_ = 0;
  std::uint64_t window_groups_ = 0;
  double earlier_seconds_ = 0;  // of the sessions before the one of the last mark
  std::vector<Point> points_;
  std::vector<Mark> marks_;
  std::vector<Worker> workers_;
  std::vector<Decision> decisions_;
  std::map<std::uint64_t, std::uint64_t> staleness_;
  std::set<TrialId> recent_trials_;
  std::deque<TrialId> recent_order_;
  std::deque<std::uint64_t> groups_before_;  // of the last offsets
};

}  // namespace ndcao
