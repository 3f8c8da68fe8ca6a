#include "ndcao/base/memory_pools.h"

#include <malloc.h>

#include <algorithm>

namespace ndcao {

void UseMemoryPools(int threads) { mallopt(M_ARENA_MAX, std::max(1, threads)); }

}  // namespace ndcao
