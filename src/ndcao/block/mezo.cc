#include "ndcao/block/mezo.h"

#include <utility>

namespace ndcao {

MezoOptimizer::MezoOptimizer(const BlockOptions& options, CohortContext context)
    : TwoPointOptimizer(options, std::move(context), Distribution::kGaussian) {}

}  // namespace ndcao
