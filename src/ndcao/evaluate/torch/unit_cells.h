// Which activations share a column of their site's estimator: all positions of a feature map, and
// neighbouring steps of a sequence. A place that uses the same weights at many positions has more
// activations than probes can tell apart in time; what they do to the loss is alike.
// Internal to evaluate/torch.
#pragma once

#include <cstdint>
#include <vector>

namespace ndcao {

/// One result of a site, without the examples: `sizes` outermost first, one of them the features,
/// the others positions.
struct PointShape {
  std::vector<std::int64_t> sizes;
  std::size_t feature = 0;  ///< Which of the sizes.
};

/// The cell of every unit, cells numbered from 0. Up to 2,048 units: empty, every unit is its own.
/// Above, the positions of a point share; and points, if all are of one shape, in runs of the least
/// power of two that leaves at most 1,024 cells, or as few as there can be.
std::vector<std::uint32_t> ShareCells(const std::vector<PointShape>& points);

}  // namespace ndcao
