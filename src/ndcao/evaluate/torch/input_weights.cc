#include "ndcao/evaluate/torch/input_weights.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>

namespace ndcao {
namespace {

// Measured in docs/results.md.
constexpr std::int64_t kInputsPerPosition = 16;
// More rows of a convolution's inputs tell little: neighbours are alike.
constexpr std::int64_t kMostRows = 2048;

const at::Tensor& WeightOf(const WeightCall& call, const OperationTape& tape) {
  return tape.operations()[call.operation].tensor(*call.weight);
}

bool IsPlain(const WeightCall& call, const OperationTape& tape) {
  if (!call.weight) return false;
  const Operation& operation = tape.operations()[call.operation];
  if (call.role == WeightRole::kLinear || call.role == WeightRole::kProduct) return true;
  return call.role == WeightRole::kConvolution && operation.tensor(0).dim() == 4 &&
         operation.tensor(0).size(1) == operation.tensor(1).size(1);  // one group
}

std::int64_t Outputs(const WeightCall& call, const OperationTape& tape) {
  return WeightOf(call, tape).size(call.role == WeightRole::kProduct ? 1 : 0);
}

/// [width, rows], the width without a bias.
at::Tensor Columns(const WeightCall& call, const OperationTape& tape) {
  const Operation& operation = tape.operations()[call.operation];
  const at::Tensor& input = operation.tensor(call.input);
  if (call.role != WeightRole::kConvolution) return input.reshape({-1, input.size(-1)}).t();
  const at::Tensor& weight = WeightOf(call, tape);
  const std::int64_t positions = operation.output().size(2) * operation.output().size(3);
  const std::int64_t examples = std::clamp<std::int64_t>(kMostRows / positions, 1, input.size(0));
  const at::Tensor patches = at::im2col(
      input.narrow(0, 0, examples), weight.sizes().slice(2), operation.inputs[5].toIntVector(),
      operation.inputs[4].toIntVector(), operation.inputs[3].toIntVector());
  return patches.permute({1, 0, 2}).reshape({patches.size(1), -1});
}

/// The gradient of a weight as [outputs, inputs], a view where it can be one.
at::Tensor AsMatrix(const WeightCall& call, const at::Tensor& weights) {
  return call.role == WeightRole::kProduct ? weights.t() : weights.reshape({weights.size(0), -1});
}

}  // namespace

std::vector<InputWeight> FindInputWeights(const OperationTape& tape,
                                          std::span<const WeightCall> calls,
                                          std::int64_t examples) {
  std::map<const void*, std::vector<WeightCall>> by_weight;
  for (const WeightCall& call : calls) {
    if (call.weight) by_weight[WeightOf(call, tape).data_ptr()].push_back(call);
  }
  std::vector<InputWeight> found;
  for (const WeightCall& first : calls) {
    if (!IsPlain(first, tape)) continue;
    const std::vector<WeightCall>& all = by_weight[WeightOf(first, tape).data_ptr()];
    if (all.empty() || all.front().operation != first.operation) continue;
    const bool alike = std::all_of(all.begin(), all.end(), [&](const WeightCall& call) {
      return call.role == first.role && call.bias == first.bias && IsPlain(call, tape);
    });
    std::int64_t positions = 0;
    for (const WeightCall& call : all) {
      positions +=
          tape.operations()[call.operation].output().numel() / (Outputs(first, tape) * examples);
    }
    const std::int64_t width =
        WeightOf(first, tape).numel() / Outputs(first, tape) + (first.bias ? 1 : 0);
    if (!alike || width > kInputsPerPosition * positions) continue;
    found.push_back({all, static_cast<std::uint64_t>(width)});
  }
  return found;
}

void SumInputs(const InputWeight& weight, const OperationTape& tape, InputSum& sum) {
  const auto width = static_cast<std::int64_t>(weight.width);
  sum.values.assign(weight.width * weight.width, 0.0f);
  sum.rows = 0;
  at::Tensor moment = at::from_blob(sum.values.data(), {width, width});
  for (const WeightCall& call : weight.calls) {
    at::Tensor columns = Columns(call, tape);
    if (call.bias) columns = at::cat({columns, at::ones({1, columns.size(1)})});
    moment.addmm_(columns, columns.t());
    sum.rows += static_cast<double>(columns.size(1));
  }
}

void MultiplyByInverse(const InputWeight& weight, const OperationTape& tape,
                       std::span<const float> inverse, const ParameterMemory& memory,
                       const at::Tensor& gradient) {
  const auto width = static_cast<std::int64_t>(weight.width);
  const WeightCall& call = weight.calls.front();
  const at::Tensor weights = memory.Like(WeightOf(call, tape), gradient);
  at::Tensor rows = AsMatrix(call, weights);
  at::Tensor bias;
  if (call.bias) {
    bias = memory.Like(tape.operations()[call.operation].tensor(*call.bias), gradient);
    rows = at::cat({rows, bias.unsqueeze(1)}, 1);
  }
  const at::Tensor by = at::from_blob(const_cast<float*>(inverse.data()), {width, width});
  const at::Tensor moved = at::mm(rows, by);
  const at::Tensor of_weights = moved.narrow(1, 0, width - (call.bias ? 1 : 0));
  if (call.role == WeightRole::kProduct) {
    weights.copy_(of_weights.t());
  } else {
    weights.copy_(of_weights.reshape(weights.sizes()));
  }
  if (call.bias) bias.copy_(moved.select(1, width - 1));
}

}  // namespace ndcao
