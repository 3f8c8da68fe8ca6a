#include "ndcao/evaluate/torch/unit_cells.h"

#include <algorithm>

namespace ndcao {
namespace {

// With 128 examples and ten features the estimator's step is then a 80th (docs/activations.md).
constexpr std::int64_t kMostCells = 1024;

std::int64_t Cells(std::int64_t size, std::int64_t side) { return (size + side - 1) / side; }

std::int64_t CellsOfPoint(const PointShape& point, std::int64_t side) {
  std::int64_t cells = 1;
  for (std::size_t i = 0; i < point.sizes.size(); ++i) {
    cells *= i == point.feature ? point.sizes[i] : Cells(point.sizes[i], side);
  }
  return cells;
}

std::int64_t UnitsOfPoint(const PointShape& point) { return CellsOfPoint(point, 1); }

// The cell, within its point, of the unit at this place of the row.
std::int64_t CellOfUnit(const PointShape& point, std::int64_t unit, std::int64_t side) {
  std::int64_t cell = 0;
  std::int64_t stride = 1;
  for (std::size_t i = point.sizes.size(); i-- > 0;) {
    const std::int64_t at = unit % point.sizes[i];
    unit /= point.sizes[i];
    cell += stride * (i == point.feature ? at : at / side);
    stride *= i == point.feature ? point.sizes[i] : Cells(point.sizes[i], side);
  }
  return cell;
}

}  // namespace

std::vector<std::uint32_t> ShareCells(const std::vector<PointShape>& points) {
  const bool alike = std::all_of(points.begin(), points.end(), [&](const PointShape& point) {
    return point.sizes == points.front().sizes && point.feature == points.front().feature;
  });
  const auto group = [&](std::size_t point, std::int64_t side) {
    return alike ? static_cast<std::int64_t>(point) / side : static_cast<std::int64_t>(point);
  };
  const auto count = [&](std::int64_t side) {
    std::int64_t cells = 0;
    for (std::size_t p = 0; p < points.size(); ++p) {
      if (p == 0 || group(p, side) != group(p - 1, side)) cells += CellsOfPoint(points[p], side);
    }
    return cells;
  };
  std::int64_t side = 1;
  while (count(side) > kMostCells && count(2 * side) < count(side)) side *= 2;
  if (side == 1) return {};
  std::vector<std::uint32_t> cells;
  std::int64_t first = 0;
  for (std::size_t p = 0; p < points.size(); ++p) {
    if (p > 0 && group(p, side) != group(p - 1, side)) first += CellsOfPoint(points[p - 1], side);
    for (std::int64_t unit = 0; unit < UnitsOfPoint(points[p]); ++unit) {
      cells.push_back(static_cast<std::uint32_t>(first + CellOfUnit(points[p], unit, side)));
    }
  }
  return cells;
}

}  // namespace ndcao
