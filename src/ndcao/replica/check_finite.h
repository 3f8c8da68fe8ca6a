// Whether a run measures anything at all.
#pragma once

#include "ndcao/replica/replica.h"

namespace ndcao {

/// kFailed, for the user, if the run has begun with groups none of whose losses is finite.
Status CheckFinite(const ReplicaCounters& counters);

}  // namespace ndcao
