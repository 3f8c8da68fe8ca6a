#include "ndcao/evaluate/torch/unit_cells.h"

#include <gtest/gtest.h>

#include <set>

namespace ndcao {
namespace {

TEST(UnitCellsTest, FewUnitsKeepTheirOwn) {
  EXPECT_TRUE(ShareCells({{{6, 12, 12}, 0}}).empty());
  EXPECT_TRUE(ShareCells({{{256}, 0}}).empty());
  EXPECT_TRUE(ShareCells({{{8, 16, 16}, 0}}).empty());
}

TEST(UnitCellsTest, FeaturesAreNeverShared) {
  EXPECT_TRUE(ShareCells({{{5000}, 0}}).empty());
  const auto cells = ShareCells({{{2000, 3, 3}, 0}});
  ASSERT_EQ(cells.size(), 18000u);
  for (std::size_t u = 0; u < cells.size(); ++u) ASSERT_EQ(cells[u], u / 9);
}

TEST(UnitCellsTest, ThePositionsOfAFeatureMapShare) {
  const auto channels_first = ShareCells({{{16, 28, 28}, 0}});
  ASSERT_EQ(channels_first.size(), 16u * 28 * 28);
  for (std::size_t u = 0; u < channels_first.size(); ++u) {
    ASSERT_EQ(channels_first[u], u / (28 * 28));
  }
  const auto features_last = ShareCells({{{50, 64}, 1}});
  ASSERT_EQ(features_last.size(), 3200u);
  for (std::size_t u = 0; u < features_last.size(); ++u) ASSERT_EQ(features_last[u], u % 64);
}

TEST(UnitCellsTest, NeighbouringStepsOfASequenceShare) {
  // 28 steps of 128 features: 4 steps to a run leave 7 · 128 = 896 cells.
  const auto cells = ShareCells(std::vector<PointShape>(28, PointShape{{128}, 0}));
  ASSERT_EQ(cells.size(), 28u * 128);
  for (std::size_t u = 0; u < cells.size(); ++u) {
    ASSERT_EQ(cells[u], u / 128 / 4 * 128 + u % 128);
  }
}

TEST(UnitCellsTest, PointsOfDifferentShapesShareOnlyWithin) {
  const auto cells = ShareCells({{{8, 16, 16}, 0}, {{8, 8, 8}, 0}});
  const std::set first(cells.begin(), cells.begin() + 2048);
  const std::set second(cells.begin() + 2048, cells.end());
  EXPECT_EQ(first.size(), 8u);
  EXPECT_EQ(second.size(), 8u);
  EXPECT_EQ(*first.rbegin() + 1, *second.begin());
}

}  // namespace
}  // namespace ndcao
