#include "ndcao/data/batch_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace ndcao {
namespace {

std::vector<std::uint32_t> Epoch(BatchOrder& order, std::uint64_t epoch) {
  std::vector<std::uint32_t> all;
  for (std::uint64_t step = 5 * epoch; step < 5 * (epoch + 1); ++step) {
    const auto batch = order.At(step);
    EXPECT_EQ(batch.size(), 4u);
    all.insert(all.end(), batch.begin(), batch.end());
  }
  return all;
}

TEST(BatchOrderTest, AnEpochHasEveryExampleOnceInAnOrderOfItsOwn) {
  BatchOrder order(7, 22, 4);  // two examples are left out
  const std::vector<std::uint32_t> first = Epoch(order, 0);
  const std::vector<std::uint32_t> second = Epoch(order, 1);
  EXPECT_NE(first, second);
  EXPECT_EQ(Epoch(order, 0), first) << "it depends on the step alone";
  std::vector<std::uint32_t> sorted = first;
  std::ranges::sort(sorted);
  EXPECT_EQ(std::ranges::adjacent_find(sorted), sorted.end());
  EXPECT_LT(sorted.back(), 22u);
}

}  // namespace
}  // namespace ndcao
