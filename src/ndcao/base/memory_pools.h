// How many pools of memory malloc keeps.
#pragma once

namespace ndcao {

/// One pool for each of `threads` threads: a buffer that one of them has freed stays in the cache
/// of its core instead of wandering to another's; and no more than that, so that what one part of
/// the program has freed is there for the next. Call before the threads start; the first call
/// counts.
void UseMemoryPools(int threads);

}  // namespace ndcao
