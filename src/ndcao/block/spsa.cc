#include "ndcao/block/spsa.h"

#include <utility>

namespace ndcao {

SpsaOptimizer::SpsaOptimizer(const BlockOptions& options, CohortContext context)
    : TwoPointOptimizer(options, std::move(context), Distribution::kRademacher) {}

}  // namespace ndcao
