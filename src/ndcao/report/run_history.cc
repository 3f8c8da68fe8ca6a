#include "ndcao/report/run_history.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace ndcao {
namespace {

constexpr std::uint64_t kPoints = 256;
constexpr std::uint64_t kQuietGroups = 30;  // docs/algorithm.md: nothing moves before
constexpr std::size_t kRemembered = 16384;  // trials and offsets, as the replica does

}  // namespace

void RunHistory::Mean::Add(double x) {
  if (!std::isfinite(x)) return;
  sum += x;
  ++count;
}

double RunHistory::Mean::mean() const {
  return count > 0 ? sum / static_cast<double>(count) : std::nan("");
}

RunHistory::RunHistory(RunSpec spec) : spec_(std::move(spec)), budget_(spec_.budget) {}

void RunHistory::Add(const Entry& entry) {
  if (const auto* spec = std::get_if<SpecRecord>(&entry.record)) {
    parameters_ = spec->parameters;
  } else if (const auto* join = std::get_if<JoinRecord>(&entry.record)) {
    workers_.push_back({join->name});
  } else if (const auto* group = std::get_if<GroupRecord>(&entry.record)) {
    AddGroup(entry.offset, *group);
  } else if (const auto* mark = std::get_if<MarkRecord>(&entry.record)) {
    AddMark(entry.offset, *mark);
  } else if (const auto* decision = std::get_if<DecisionRecord>(&entry.record)) {
    decisions_.push_back({entry.offset, decision->text});
  } else if (const auto* budget = std::get_if<BudgetRecord>(&entry.record)) {
    budget_ = budget->image_forwards;
  }
  next_offset_ = entry.offset + 1;
  groups_before_.push_back(groups_);
  if (groups_before_.size() > kRemembered) groups_before_.pop_front();
}

bool RunHistory::IsDuplicate(TrialId trial) {
  if (!recent_trials_.insert(trial).second) return true;
  recent_order_.push_back(trial);
  if (recent_order_.size() > kRemembered) {
    recent_trials_.erase(recent_order_.front());
    recent_order_.pop_front();
  }
  return false;
}

// groups_before_[i] is the count after the record at first + i, so the count at a base is one
// place before it.
std::uint64_t RunHistory::Staleness(const GroupRecord& group) const {
  if (spec_.mode == RunMode::kSync) return 0;
  const Offset first = next_offset_ - groups_before_.size();
  if (group.base > next_offset_ || group.base <= first) return groups_;
  return groups_ - groups_before_[group.base - 1 - first];
}

void RunHistory::AddGroup(Offset offset, const GroupRecord& group) {
  if (IsDuplicate(group.trial)) {
    ++duplicates_;
    return;
  }
  ++staleness_[Staleness(group)];
  ++groups_;
  image_forwards_ += group.examples;
  evaluations_ += group.losses.size() + (spec_.shape.centre ? 1 : 0);
  if (group.worker < workers_.size()) {
    ++workers_[group.worker].groups;
    workers_[group.worker].image_forwards += group.examples;
  }
  if (groups_ <= kQuietGroups) initial_.Add(GroupLoss(group));
  window_.Add(GroupLoss(group));
  window_offset_ = offset;
  const std::uint64_t cost = std::max<std::uint64_t>(1, spec_.group_cost());
  if (++window_groups_ < std::max<std::uint64_t>(1, budget_ / cost / kPoints)) return;
  points_.push_back({offset, image_forwards_, window_.mean()});
  window_ = {};
  window_groups_ = 0;
}

// A mark counts the seconds of its own session. Another worker's mark is of another session.
void RunHistory::AddMark(Offset offset, const MarkRecord& mark) {
  if (!marks_.empty()) {
    const Mark& last = marks_.back();
    if (mark.worker != last.record.worker || mark.seconds < last.record.seconds) {
      earlier_seconds_ = last.seconds;
    }
  }
  Mark seen{offset, mark, earlier_seconds_ + mark.seconds, {}};
  for (const Worker& worker : workers_) seen.worker_forwards.push_back(worker.image_forwards);
  marks_.push_back(std::move(seen));
}

std::vector<RunHistory::Point> RunHistory::points() const {
  std::vector<Point> points = points_;
  if (window_groups_ > 0) points.push_back({window_offset_, image_forwards_, window_.mean()});
  return points;
}

}  // namespace ndcao
