#include "ndcao/block/pairs.h"

#include <algorithm>
#include <cmath>

namespace ndcao {

std::vector<LossPair> FinitePairs(std::span<const float> losses) {
  std::vector<LossPair> pairs;
  for (std::uint32_t i = 0; 2 * i + 1 < losses.size(); ++i) {
    const float plus = losses[2 * i];
    const float minus = losses[2 * i + 1];
    if (std::isfinite(plus) && std::isfinite(minus)) pairs.push_back({i, plus, minus});
  }
  return pairs;
}

void RankPairs(std::vector<LossPair>& pairs) {
  std::vector<double*> order;
  for (LossPair& pair : pairs) order.insert(order.end(), {&pair.plus, &pair.minus});
  std::sort(order.begin(), order.end(), [](const double* a, const double* b) { return *a < *b; });
  const double last = static_cast<double>(order.size() - 1);
  for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    const double loss = *order[begin];
    while (end < order.size() && *order[end] == loss) ++end;
    const double rank = 0.5 * static_cast<double>(begin + end - 1) / last - 0.5;
    for (std::size_t i = begin; i < end; ++i) *order[i] = rank;
  }
}

}  // namespace ndcao
