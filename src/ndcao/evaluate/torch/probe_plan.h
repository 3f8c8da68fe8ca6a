// Where a network can be probed, found by looking at a few of its forward passes.
// Internal to evaluate/torch.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "ndcao/base/result.h"
#include "ndcao/evaluate/activation_evaluator.h"
#include "ndcao/evaluate/torch/example_axis.h"
#include "ndcao/evaluate/torch/local_tail.h"
#include "ndcao/evaluate/torch/operation_tape.h"
#include "ndcao/evaluate/torch/weight_call.h"
#include "ndcao/params/layout.h"

namespace ndcao {

/// A result where activations are changed.
struct ProbePoint {
  std::size_t operation = 0;
  ExampleAxis axis;
  std::uint64_t units = 0;
  bool rectified = false;
};

/// A use of weights, and where what it gives goes to.
struct SiteCall {
  WeightCall call;
  LocalTail tail;
};

struct TorchSite {
  std::vector<ProbePoint> points;  ///< In the order of the pass.
  std::vector<SiteCall> calls;
  std::vector<std::size_t> tail;  ///< Operations of all tails, in the order of the pass.
};

struct TorchPlan {
  ProbePlan plan;
  std::vector<TorchSite> sites;  ///< One for each of plan.sites.
  std::size_t operations = 0;    ///< Of a pass.
};

/// Fails if the network couples its examples. `outputs` per example.
Result<TorchPlan> MakeProbePlan(const PlanPasses& passes, const ParameterMemory& memory,
                                const Layout& layout, std::uint64_t outputs);

}  // namespace ndcao
