#include "ndcao/partitioned/stage_cut.h"

#include <gtest/gtest.h>
// rapidcheck's adapter needs gtest first.
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <numeric>

namespace ndcao {
namespace {

using Weights = std::vector<std::uint64_t>;
using Ends = std::vector<std::size_t>;

std::uint64_t Heaviest(const Weights& weights, const Ends& ends) {
  std::uint64_t heaviest = 0;
  std::size_t begin = 0;
  for (const std::size_t end : ends) {
    const auto first = weights.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto last = weights.begin() + static_cast<std::ptrdiff_t>(end);
    heaviest = std::max(heaviest, std::accumulate(first, last, std::uint64_t{0}));
    begin = end;
  }
  return heaviest;
}

// All ways to cut, by the sets of ends.
std::uint64_t Best(const Weights& weights, std::size_t stages) {
  std::uint64_t best = ~std::uint64_t{0};
  std::vector<bool> cut(weights.size() - 1);
  std::fill(cut.end() - static_cast<std::ptrdiff_t>(stages - 1), cut.end(), true);
  do {
    Ends ends;
    for (std::size_t i = 0; i < cut.size(); ++i) {
      if (cut[i]) ends.push_back(i + 1);
    }
    ends.push_back(weights.size());
    best = std::min(best, Heaviest(weights, ends));
  } while (std::next_permutation(cut.begin(), cut.end()));
  return best;
}

TEST(StageCutTest, AnMlpIsCutBehindItsLargestLayer) {
  EXPECT_EQ(CutEvenly(Weights{200960, 65792, 65792, 2570}, 2), (Ends{1, 4}));
  EXPECT_EQ(CutEvenly(Weights{200960, 65792, 65792, 2570}, 4), (Ends{1, 2, 3, 4}));
}

RC_GTEST_PROP(StageCutTest, TheHeaviestStageIsAsLightAsCanBe, ()) {
  const auto weights = *rc::gen::container<Weights>(*rc::gen::inRange<std::size_t>(1, 9),
                                                    rc::gen::inRange<std::uint64_t>(1, 100));
  const auto stages = *rc::gen::inRange<std::size_t>(1, weights.size() + 1);
  const Ends ends = CutEvenly(weights, stages);
  RC_ASSERT(ends.size() == stages);
  RC_ASSERT(ends.back() == weights.size());
  RC_ASSERT(ends.front() > 0u);
  RC_ASSERT(std::adjacent_find(ends.begin(), ends.end(), std::greater_equal<>()) == ends.end());
  RC_ASSERT(Heaviest(weights, ends) == Best(weights, stages));
}

}  // namespace
}  // namespace ndcao
