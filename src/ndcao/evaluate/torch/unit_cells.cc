#include "ndcao/evaluate/torch/unit_cells.h"

#include <algorithm>
#include <functional>
#include <numeric>

namespace ndcao {
namespace {

// Measured in docs/results.md: with fewer units, sharing loses what their places tell.
constexpr std::int64_t kMostAlone = 2048;
// With 128 examples and ten features the estimator's step is then an 80th (docs/activations.md).
constexpr std::int64_t kMostCells = 1024;

std::int64_t Product(std::vector<std::int64_t>::const_iterator begin,
                     std::vector<std::int64_t>::const_iterator end) {
  return std::accumulate(begin, end, std::int64_t{1}, std::multiplies<>());
}

std::int64_t Units(const PointShape& point) {
  return Product(point.sizes.begin(), point.sizes.end());
}

std::int64_t Features(const PointShape& point) {
  return point.sizes.empty() ? 1 : point.sizes[point.feature];
}

std::int64_t FeatureOfUnit(const PointShape& point, std::int64_t unit) {
  if (point.sizes.empty()) return 0;
  const auto after = point.sizes.begin() + static_cast<std::ptrdiff_t>(point.feature) + 1;
  return unit / Product(after, point.sizes.end()) % Features(point);
}

}  // namespace

std::vector<std::uint32_t> ShareCells(const std::vector<PointShape>& points) {
  std::int64_t units = 0;
  for (const PointShape& point : points) units += Units(point);
  if (units <= kMostAlone) return {};
  const bool alike = std::all_of(points.begin(), points.end(), [&](const PointShape& point) {
    return point.sizes == points.front().sizes && point.feature == points.front().feature;
  });
  std::size_t run = 1;
  const auto runs = [&](std::size_t of) { return (points.size() + of - 1) / of; };
  while (alike && run < points.size() &&
         static_cast<std::int64_t>(runs(run)) * Features(points.front()) > kMostCells) {
    run *= 2;
  }
  const bool positions = std::any_of(points.begin(), points.end(), [](const PointShape& point) {
    return Units(point) > Features(point);
  });
  if (run == 1 && !positions) return {};
  std::vector<std::uint32_t> cells;
  std::int64_t first = 0;
  for (std::size_t p = 0; p < points.size(); ++p) {
    if (p > 0 && p % run == 0) first += Features(points[p - 1]);
    for (std::int64_t unit = 0; unit < Units(points[p]); ++unit) {
      cells.push_back(static_cast<std::uint32_t>(first + FeatureOfUnit(points[p], unit)));
    }
  }
  return cells;
}

}  // namespace ndcao
