#include "ndcao/evaluate/torch/unit_cells.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

namespace ndcao {
namespace {

TEST(UnitCellsTest, FewUnitsKeepTheirOwn) {
  EXPECT_TRUE(ShareCells({{{6, 12, 12}, 0}}).empty());
  EXPECT_TRUE(ShareCells({{{256}, 0}}).empty());
}

TEST(UnitCellsTest, FeaturesAreNeverShared) {
  EXPECT_TRUE(ShareCells({{{5000}, 0}}).empty());
  const auto cells = ShareCells({{{2000, 3, 3}, 0}});
  ASSERT_EQ(cells.size(), 18000u);
  for (std::size_t u = 0; u < cells.size(); ++u) ASSERT_EQ(cells[u], u / 9);
}

TEST(UnitCellsTest, NeighbouringPositionsOfAFeatureMapShare) {
  // 16 channels, 28 × 28: squares of 4 × 4 leave 16 · 7 · 7 = 784 cells.
  const auto cells = ShareCells({{{16, 28, 28}, 0}});
  const auto cell = [&](int c, int y, int x) {
    return cells[static_cast<std::size_t>((c * 28 + y) * 28 + x)];
  };
  std::map<std::uint32_t, int> sizes;
  for (const std::uint32_t c : cells) ++sizes[c];
  EXPECT_EQ(sizes.size(), 784u);
  EXPECT_EQ(sizes.rbegin()->first, 783u);
  for (const auto& [number, size] : sizes) ASSERT_EQ(size, 16) << number;
  EXPECT_EQ(cell(3, 4, 8), cell(3, 7, 11));
  EXPECT_NE(cell(3, 4, 8), cell(3, 3, 8));
  EXPECT_NE(cell(3, 4, 8), cell(4, 4, 8));
}

TEST(UnitCellsTest, NeighbouringStepsOfASequenceShare) {
  // 28 steps of 512 features: 16 steps to a cell leave 2 · 512.
  const auto cells = ShareCells(std::vector<PointShape>(28, PointShape{{512}, 0}));
  ASSERT_EQ(cells.size(), 28u * 512);
  EXPECT_EQ(cells[5], cells[15 * 512 + 5]);
  EXPECT_NE(cells[5], cells[16 * 512 + 5]);
  EXPECT_NE(cells[5], cells[6]);
  EXPECT_EQ(std::set(cells.begin(), cells.end()).size(), 1024u);
}

TEST(UnitCellsTest, PointsOfDifferentShapesShareOnlyWithin) {
  const auto cells = ShareCells({{{8, 16, 16}, 0}, {{8, 8, 8}, 0}});
  const std::set first(cells.begin(), cells.begin() + 2048);
  const std::set second(cells.begin() + 2048, cells.end());
  EXPECT_EQ(*first.rbegin() + 1, *second.begin());
  EXPECT_EQ(first.size() + second.size(), *second.rbegin() + 1);
  EXPECT_LE(*second.rbegin(), 1023u);
}

}  // namespace
}  // namespace ndcao
