// Which entries of an operation's result belong to which example. Internal to evaluate/torch.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "ndcao/evaluate/torch/operation_tape.h"

namespace ndcao {

/// Which entries of a result belong to which example: the sizes are [before, B, after…], where a
/// dimension that holds examples and something else is thought of as two.
struct ExampleAxis {
  std::vector<std::int64_t> split;  ///< Sizes with B as −1, after splitting; empty: as they are.
  std::int64_t dim = 0;             ///< Which of them is B.

  /// [B, units] of a result, and the reverse.
  at::Tensor Rows(const at::Tensor& result) const;
  at::Tensor Result(const at::Tensor& rows, at::IntArrayRef sizes) const;
  /// The dimensions that a row of a result of these sizes is made of, outermost first.
  std::vector<std::int64_t> RowSizes(at::IntArrayRef sizes) const;
};

/// Records of the same network: on 3 examples, on 3 of which only the first differs, and on 5.
struct PlanPasses {
  static constexpr std::int64_t kFew = 3;
  static constexpr std::int64_t kMore = 5;

  OperationTape three;
  OperationTape other_first;
  OperationTape five;
};

/// Finds the examples in an operation's results, whichever dimension they are in; empty if there is
/// no such dimension, with `coupled` set if that is because examples affect one another.
std::optional<ExampleAxis> FindAxis(const PlanPasses& passes, std::size_t operation, bool& coupled);

}  // namespace ndcao
