// Weights that work at many positions of an example, as those of convolutions and recurrent layers
// do: the second moment of what they take in, and outer products times its inverse
// (activation/input_factor.h). Internal to evaluate/torch.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "ndcao/activation/probe_sums.h"
#include "ndcao/evaluate/torch/operation_tape.h"
#include "ndcao/evaluate/torch/weight_call.h"

namespace ndcao {

/// A weight, with the bias that is added to what it makes, if there is one.
struct InputWeight {
  std::vector<WeightCall> calls;  ///< All of them.
  std::uint64_t width = 0;        ///< Inputs of one output, and 1 for a bias.
};

/// Those of a site's weights for which that costs little beside the pass itself: at most 16 inputs
/// for each position. `calls`: the site's, in the order of the pass on `tape`, of `examples`.
std::vector<InputWeight> FindInputWeights(const OperationTape& tape,
                                          std::span<const WeightCall> calls, std::int64_t examples);

/// Σ x xᵀ over the positions of some examples.
void SumInputs(const InputWeight& weight, const OperationTape& tape, InputSum& sum);

/// The gradient of the weight and its bias, in `gradient` (flat, d), times `inverse`, width ×
/// width.
void MultiplyByInverse(const InputWeight& weight, const OperationTape& tape,
                       std::span<const float> inverse, const ParameterMemory& memory,
                       const at::Tensor& gradient);

}  // namespace ndcao
