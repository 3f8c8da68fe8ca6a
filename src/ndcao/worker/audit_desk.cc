#include "ndcao/worker/audit_desk.h"

#include <algorithm>

namespace ndcao {

void AuditDesk::Before(const Replica& replica, const Entry& entry) {
  const auto* group = std::get_if<GroupRecord>(&entry.record);
  if (replica.audits() == nullptr || group == nullptr) return;
  if (versions_.empty()) KeepVersion(replica);
  if (!replica.audits()->Chooses(replica.chain())) return;
  const auto theta = At(replica, group->base);
  if (theta == nullptr) return;
  next_ = replica.NewTrial(group->trial, group->base);
  // The blocks of an asynchronous run perturb θ itself (RunSpec::Validate), so θ is all it takes.
  if (replica.spec().mode == RunMode::kAsync) next_->point = theta;
}

void AuditDesk::After(const Replica& replica, const Entry& entry) {
  if (replica.audits() == nullptr) return;
  const std::vector<Offset> open = replica.audits()->open();
  const auto is_open = [&](Offset at) { return std::binary_search(open.begin(), open.end(), at); };
  if (next_ && is_open(entry.offset)) held_[entry.offset] = {*std::move(next_)};
  next_.reset();
  if (std::holds_alternative<GroupRecord>(entry.record)) KeepVersion(replica);
  std::erase_if(held_, [&](const auto& held) { return !is_open(held.first); });
}

void AuditDesk::KeepVersion(const Replica& replica) {
  if (replica.spec().mode == RunMode::kSync) return;
  if (versions_.empty() || versions_.back().theta != replica.parameters()) {
    versions_.push_back({replica.next_offset(), replica.parameters()});
  }
  // One for each group that may still be accepted, and the present one.
  const std::size_t fit = kBytes / (sizeof(float) * replica.parameters()->size() + 1);
  const std::size_t wanted = replica.spec().staleness_limit + 1;
  while (versions_.size() > std::max<std::size_t>(1, std::min(fit, wanted))) versions_.pop_front();
}

// θ as it was at an offset; null if it is not kept.
std::shared_ptr<const ParameterVector> AuditDesk::At(const Replica& replica, Offset base) const {
  // A group of the current round was measured at the present version, or it is not accepted.
  if (replica.spec().mode == RunMode::kSync) return replica.parameters();
  const auto version =
      std::find_if(versions_.rbegin(), versions_.rend(),
                   [base](const Version& candidate) { return candidate.from <= base; });
  return version == versions_.rend() ? nullptr : version->theta;
}

std::optional<AuditTask> AuditDesk::Take(const Replica& replica, WorkerId worker) {
  for (auto& [at, held] : held_) {
    if (held.taken || !replica.audits()->Awaits(at, worker, replica.counters().groups)) continue;
    held.taken = true;
    return AuditTask{at, held.trial};
  }
  return std::nullopt;
}

}  // namespace ndcao
