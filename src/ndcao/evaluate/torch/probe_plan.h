// Where a network can be probed, found by looking at a few of its forward passes.
// Internal to evaluate/torch.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "ndcao/base/result.h"
#include "ndcao/evaluate/activation_evaluator.h"
#include "ndcao/evaluate/torch/local_tail.h"
#include "ndcao/evaluate/torch/operation_tape.h"
#include "ndcao/evaluate/torch/weight_call.h"
#include "ndcao/params/layout.h"

namespace ndcao {

/// Which entries of a result belong to which example: the sizes are [before, B, after…], where a
/// dimension that holds examples and something else is thought of as two.
struct ExampleAxis {
  std::vector<std::int64_t> split;  ///< Sizes with B as −1, after splitting; empty: as they are.
  std::int64_t dim = 0;             ///< Which of them is B.

  /// [B, units] of a result, and the reverse.
  at::Tensor Rows(const at::Tensor& result) const;
  at::Tensor Result(const at::Tensor& rows, at::IntArrayRef sizes) const;
};

/// A result where activations are changed.
struct ProbePoint {
  std::size_t operation = 0;
  ExampleAxis axis;
  std::uint64_t units = 0;
  bool rectified = false;
};

/// A use of weights, and which of its site's points its tail leads to.
struct SiteCall {
  WeightCall call;
  LocalTail tail;
  std::size_t point = 0;
};

struct TorchSite {
  std::vector<ProbePoint> points;  ///< In the order of the pass.
  std::vector<SiteCall> calls;
};

struct TorchPlan {
  ProbePlan plan;
  std::vector<TorchSite> sites;  ///< One for each of plan.sites.
  std::size_t operations = 0;    ///< Of a pass.
};

/// Records of the same network: on 3 examples, on 3 of which only the first differs, and on 5.
struct PlanPasses {
  OperationTape three;
  OperationTape other_first;
  OperationTape five;
};

/// Fails if the network couples its examples. `outputs` per example.
Result<TorchPlan> MakeProbePlan(const PlanPasses& passes, const ParameterMemory& memory,
                                const Layout& layout, std::uint64_t outputs);

}  // namespace ndcao
