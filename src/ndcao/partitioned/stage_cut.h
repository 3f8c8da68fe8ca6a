// Where a network of sections is cut into stages.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ndcao/base/result.h"

namespace ndcao {

/// Cuts n sections of these weights into `stages` stretches, so that the heaviest is as light as
/// can be. Returns the end of each stretch: the index of the first section behind it, increasing,
/// the last one n. 2 <= stages <= n.
std::vector<std::size_t> CutEvenly(std::span<const std::uint64_t> weights, std::size_t stages);

}  // namespace ndcao
