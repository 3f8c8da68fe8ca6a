// "Hold the line": robots in the plane that must form a straight line with equal spacing while
// staying near where they started. Each robot is a tensor of two coordinates, so that
// `--blocks tensor` gives every robot a block of its own: the distributed control problem that the
// method's family comes from. Neither convex nor quadratic, since no one says where the line is.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ndcao/evaluate/functions/test_function.h"

namespace ndcao {

class HoldTheLine : public TestFunction {
 public:
  /// At least two robots. They start scattered about a line; the start is the same for every seed,
  /// as it belongs to the problem.
  explicit HoldTheLine(std::uint32_t robots);

  const Layout& layout() const override { return layout_; }
  ParameterVector Start(std::uint64_t seed) const override;
  /// mean squared distance to the best line + mean (gap − 1)² between neighbours
  /// + 0.01 · mean squared distance to the start. Positive at its minimum, by the last term.
  double Value(std::span<const float> x) const override;

 private:
  ParameterVector start_;
  Layout layout_;
};

}  // namespace ndcao
