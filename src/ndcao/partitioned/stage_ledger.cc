#include "ndcao/partitioned/stage_ledger.h"

#include <algorithm>

#include "ndcao/base/result.h"

namespace ndcao {

void StageLedger::Take(const Entry& entry) {
  NDCAO_CHECK(entry.offset == next_offset_);
  ++next_offset_;
  if (std::holds_alternative<JoinRecord>(entry.record)) ++joins_;
  if (const auto* kept = std::get_if<KeptRecord>(&entry.record)) TakeKept(*kept);
}

void StageLedger::TakeKept(const KeptRecord& record) {
  if (record.stage < 1 || record.stage > places_.size()) return;
  Place& place = places_[record.stage - 1];
  if (place.worker != ~WorkerId{0} && record.worker < place.worker) return;  // of a life before
  place.kept = {0, record.before, record.steps};
  if (record.worker == place.worker) return;
  place.worker = record.worker;
  ++generation_;
  base_ = 0;
  for (const std::uint64_t steps : place.kept) {
    const bool everywhere = std::ranges::all_of(
        places_, [steps](const Place& other) { return other.kept.contains(steps); });
    if (everywhere) base_ = steps;
  }
}

}  // namespace ndcao
