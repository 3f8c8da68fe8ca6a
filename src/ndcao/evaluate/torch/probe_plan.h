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
#include "ndcao/evaluate/torch/input_weights.h"
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
  std::vector<InputWeight> inputs;
};

struct TorchPlan {
  ProbePlan plan;
  std::vector<TorchSite> sites;  ///< One for each of plan.sites.
  std::size_t operations = 0;    ///< Of a pass.
  Keep keep;                     ///< What tapes of its passes have to keep.
  Spent spent;                   ///< What they need not, if passes are changed at sites alone.
};

/// What the end of a pass is: the network's outputs, or a cut behind which another stage goes on.
enum class PassEnd { kOutputs, kCut };

/// What is planned for; the references outlive the call.
struct PlanRequest {
  const ParameterMemory& memory;
  const Layout& layout;
  std::uint64_t outputs = 0;  ///< Of the network, for one example.
  PassEnd end = PassEnd::kOutputs;
};

/// A pass on some of five examples.
using RecordPass =
    std::function<Status(const std::vector<std::uint32_t>& examples, OperationTape& tape)>;

/// Fails if the network couples its examples.
Result<TorchPlan> MakeProbePlan(const RecordPass& record, const PlanRequest& request);

}  // namespace ndcao
