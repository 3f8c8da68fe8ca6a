#include "ndcao/partitioned/stage_cut.h"

#include <algorithm>
#include <limits>

namespace ndcao {

// best[k][i]: the weight of the heaviest of k stretches that hold the first i sections.
std::vector<std::size_t> CutEvenly(std::span<const std::uint64_t> weights, std::size_t stages) {
  const std::size_t n = weights.size();
  NDCAO_CHECK(stages >= 1 && stages <= n);
  constexpr auto kNever = std::numeric_limits<std::uint64_t>::max();
  std::vector<std::vector<std::uint64_t>> best(stages + 1,
                                               std::vector<std::uint64_t>(n + 1, kNever));
  std::vector<std::vector<std::size_t>> from(stages + 1, std::vector<std::size_t>(n + 1));
  best[0][0] = 0;
  for (std::size_t k = 1; k <= stages; ++k) {
    for (std::size_t i = k; i <= n; ++i) {
      std::uint64_t last = 0;
      for (std::size_t j = i; j-- > k - 1;) {
        last += weights[j];
        if (best[k - 1][j] == kNever) continue;
        const std::uint64_t heaviest = std::max(best[k - 1][j], last);
        if (heaviest < best[k][i]) best[k][i] = heaviest, from[k][i] = j;
      }
    }
  }
  std::vector<std::size_t> ends(stages);
  std::size_t end = n;
  for (std::size_t k = stages; k > 0; --k) {
    ends[k - 1] = end;
    end = from[k][end];
  }
  return ends;
}

}  // namespace ndcao
