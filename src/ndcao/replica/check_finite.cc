#include "ndcao/replica/check_finite.h"

namespace ndcao {
namespace {

// Groups without a single finite loss, from the start, after which a run gives up.
constexpr std::uint64_t kBarrenGroups = 8;

}  // namespace

Status CheckFinite(const ReplicaCounters& counters) {
  if (counters.groups < kBarrenGroups || counters.barren < counters.groups) return Ok();
  return Failed(
      "every loss measured so far is NaN or infinite; check the objective, the initial parameters "
      "and the data");
}

}  // namespace ndcao
