#include "ndcao/evaluate/torch/weight_call.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <map>

#include "ndcao/evaluate/torch/local_kernels.h"

namespace ndcao {
namespace {

bool IsOne(const Operation& operation, std::size_t input) {
  return operation.inputs[input].toScalar().to<double>() == 1;
}

/// A weight that can be read as a plain strided array.
bool IsWeight(const Operation& operation, std::size_t input, const ParameterMemory& memory) {
  return operation.has_tensor(input) && memory.Holds(operation.tensor(input));
}

std::optional<WeightCall> FindLinear(const Operation& operation, const ParameterMemory& memory) {
  WeightCall call;
  if (IsWeight(operation, 1, memory) && operation.tensor(1).dim() == 2) call.weight = 1;
  if (IsWeight(operation, 2, memory)) call.bias = 2;
  if (operation.tensor(0).dim() < 2 || (!call.weight && !call.bias)) return std::nullopt;
  return call;
}

std::optional<WeightCall> FindAddmm(const Operation& operation, const ParameterMemory& memory) {
  WeightCall call;
  call.role = WeightRole::kProduct;
  call.input = 1;
  if (!IsOne(operation, 3) || !IsOne(operation, 4)) return std::nullopt;
  if (IsWeight(operation, 2, memory)) call.weight = 2;
  if (IsWeight(operation, 0, memory) && operation.tensor(0).dim() == 1) call.bias = 0;
  if (!call.weight && !call.bias) return std::nullopt;
  return call;
}

std::optional<WeightCall> FindProduct(const Operation& operation, const ParameterMemory& memory) {
  WeightCall call;
  if (IsWeight(operation, 1, memory) && operation.tensor(1).dim() == 2 &&
      operation.tensor(0).dim() >= 2) {
    call.role = WeightRole::kProduct;
    call.weight = 1;
    return call;
  }
  if (IsWeight(operation, 0, memory) && operation.tensor(0).dim() == 2 &&
      operation.tensor(1).dim() == 2) {
    call.role = WeightRole::kLeftProduct;
    call.input = 1;
    call.weight = 0;
    return call;
  }
  return std::nullopt;
}

std::optional<WeightCall> FindConvolution(const Operation& operation,
                                          const ParameterMemory& memory) {
  WeightCall call;
  call.role = WeightRole::kConvolution;
  if (operation.inputs.size() < 7 || !operation.inputs[4].isIntList()) return std::nullopt;
  const bool general = operation.inputs[6].isBool();  // aten::convolution, aten::_convolution
  if (general && operation.inputs[6].toBool()) return std::nullopt;  // transposed
  if (operation.tensor(0).dim() != operation.tensor(1).dim()) return std::nullopt;
  if (IsWeight(operation, 1, memory)) call.weight = 1;
  if (IsWeight(operation, 2, memory)) call.bias = 2;
  if (!call.weight) return std::nullopt;
  return call;
}

std::optional<WeightCall> FindSum(const Operation& operation, const ParameterMemory& memory) {
  if (operation.overload() != "Tensor" || !IsOne(operation, 2)) return std::nullopt;
  for (const std::size_t weight : {std::size_t{1}, std::size_t{0}}) {
    WeightCall call;
    call.role = WeightRole::kSum;
    call.input = 1 - weight;
    if (!IsWeight(operation, weight, memory) || !operation.has_tensor(call.input)) continue;
    if (memory.Holds(operation.tensor(call.input))) return std::nullopt;
    if (operation.tensor(weight).numel() >= operation.output().numel()) return std::nullopt;
    call.bias = weight;
    return call;
  }
  return std::nullopt;
}

using Finder = std::optional<WeightCall> (*)(const Operation&, const ParameterMemory&);
const std::map<std::string, Finder>& Finders() {
  static const auto& finders =
      *new std::map<std::string, Finder>{{"aten::linear", FindLinear},
                                         {"aten::addmm", FindAddmm},
                                         {"aten::mm", FindProduct},
                                         {"aten::matmul", FindProduct},
                                         {"aten::conv1d", FindConvolution},
                                         {"aten::conv2d", FindConvolution},
                                         {"aten::conv3d", FindConvolution},
                                         {"aten::convolution", FindConvolution},
                                         {"aten::_convolution", FindConvolution},
                                         {"aten::add", FindSum}};
  return finders;
}

std::int64_t GroupsOf(const Operation& operation) {
  return operation.inputs[operation.inputs[6].isBool() ? 8 : 6].toInt();
}

void AddConvolution(const WeightCall& call, const Operation& operation, const at::Tensor& signal,
                    const ParameterMemory& memory, const at::Tensor& flat) {
  const at::Tensor& input = operation.tensor(0);
  const at::Tensor& weight = operation.tensor(1);
  const std::vector<std::int64_t> no_padding(operation.inputs[4].toIntVector().size(), 0);
  const std::vector<std::int64_t> bias_shape = {weight.size(0)};
  const auto [unused, weights, bias] = at::convolution_backward(
      signal, input, weight, bias_shape, operation.inputs[3].toIntVector(),
      operation.inputs[4].toIntVector(), operation.inputs[5].toIntVector(), false, no_padding,
      GroupsOf(operation), std::array<bool, 3>{false, true, call.bias.has_value()});
  memory.Like(weight, flat).add_(weights);
  if (call.bias) memory.Like(operation.tensor(*call.bias), flat).add_(bias);
}

at::Tensor AsRows(const at::Tensor& t) { return t.dim() == 2 ? t : t.reshape({-1, t.size(-1)}); }

/// The gradient of a bias: what its rows' signals add up to.
void AddBias(const at::Tensor& bias, const at::Tensor& rows, const ParameterMemory& memory,
             const at::Tensor& flat) {
  at::Tensor gradient = memory.Like(bias, flat);
  if (!rows.is_contiguous() || !gradient.is_contiguous()) {
    gradient.add_(rows.sum(0));
    return;
  }
  AddColumnSums(rows.size(0), rows.size(1), rows.data_ptr<float>(), gradient.data_ptr<float>());
}

void AddProduct(const WeightCall& call, const Operation& operation, const at::Tensor& input,
                const at::Tensor& signal, const ParameterMemory& memory, const at::Tensor& flat) {
  const at::Tensor rows = AsRows(signal);
  if (call.weight) {
    const at::Tensor inputs = AsRows(input);
    at::Tensor weights = memory.Like(operation.tensor(*call.weight), flat);
    if (call.role == WeightRole::kLinear) {
      weights.addmm_(rows.t(), inputs);
    } else {
      weights.addmm_(inputs.t(), rows);
    }
  }
  if (call.bias) AddBias(operation.tensor(*call.bias), rows, memory, flat);
}

bool AllOnes(const c10::IValue& list) {
  const auto values = list.toIntVector();
  return std::all_of(values.begin(), values.end(), [](std::int64_t x) { return x == 1; });
}

/// ConvolveEach with a stride and dilation of 1 in two dimensions: a small convolution for every
/// example, where LibTorch would do one in as many groups as there are examples.
at::Tensor ConvolveEachPlainly(const Operation& operation, const at::Tensor& weights,
                               const at::Tensor& bias) {
  const auto padding = operation.inputs[4].toIntVector();
  const std::int64_t high = padding.front();
  const std::int64_t wide = padding.back();
  const at::Tensor input =
      at::constant_pad_nd(operation.tensor(0), {wide, wide, high, high}, 0).contiguous();
  const at::Tensor taps = weights.contiguous();
  const at::Tensor offsets = bias.contiguous();
  const PlainConvolution shape{input.size(1), input.size(2), input.size(3),
                               taps.size(1),  taps.size(3),  taps.size(4)};
  at::Tensor result = at::empty(operation.output().sizes());
  const std::int64_t examples = input.size(0);
  for (std::int64_t e = 0; e < examples; ++e) {
    ConvolveOne(shape, input.data_ptr<float>() + e * (input.numel() / examples),
                taps.data_ptr<float>() + e * (taps.numel() / examples),
                offsets.data_ptr<float>() + e * shape.out,
                result.data_ptr<float>() + e * (result.numel() / examples));
  }
  return result;
}

}  // namespace

bool ParameterMemory::Holds(const at::Tensor& tensor) const {
  if (tensor.scalar_type() != at::kFloat || tensor.layout() != at::kStrided) return false;
  const auto* begin = tensor.data_ptr<float>();
  if (begin < parameters_.data() || begin >= parameters_.data() + parameters_.size()) return false;
  for (std::int64_t i = 0; i < tensor.dim(); ++i) {
    if (tensor.stride(i) == 0 && tensor.size(i) > 1) return false;
  }
  return true;
}

std::uint64_t ParameterMemory::Offset(const at::Tensor& tensor) const {
  return static_cast<std::uint64_t>(tensor.data_ptr<float>() - parameters_.data());
}

at::Tensor ParameterMemory::Like(const at::Tensor& parameter, const at::Tensor& flat) const {
  return flat.as_strided(parameter.sizes(), parameter.strides(),
                         static_cast<std::int64_t>(Offset(parameter)));
}

std::optional<WeightCall> FindWeightCall(const Operation& operation, std::size_t index,
                                         const ParameterMemory& memory) {
  const auto finder = Finders().find(operation.name());
  if (finder == Finders().end()) return std::nullopt;
  std::optional<WeightCall> call = finder->second(operation, memory);
  if (call) call->operation = index;
  return call;
}

void AddOuterProduct(const WeightCall& call, const Operation& operation, const at::Tensor& signal,
                     const ParameterMemory& memory, const at::Tensor& flat) {
  if (call.role == WeightRole::kConvolution) {
    return AddConvolution(call, operation, signal, memory, flat);
  }
  if (call.role == WeightRole::kSum) {
    at::Tensor bias = memory.Like(operation.tensor(*call.bias), flat);
    bias.add_(at::sum_to(signal, bias.sizes()));
    return;
  }
  if (call.role == WeightRole::kLeftProduct) {
    memory.Like(operation.tensor(*call.weight), flat)
        .addmm_(signal, operation.tensor(call.input).t());
    return;
  }
  AddProduct(call, operation, operation.tensor(call.input), signal, memory, flat);
}

bool IsSumOfRows(const WeightCall& call, const Operation& operation) {
  const bool product = call.role == WeightRole::kLinear || call.role == WeightRole::kProduct;
  return product && operation.tensor(call.input).dim() > 2 &&
         operation.tensor(call.input).dim() == operation.output().dim();
}

void AddOuterProductOfRow(const WeightCall& call, const Operation& operation, std::int64_t dim,
                          std::int64_t index, const at::Tensor& signal,
                          const ParameterMemory& memory, const at::Tensor& flat) {
  const at::Tensor input = at::select(operation.tensor(call.input), dim, index);
  AddProduct(call, operation, input, signal, memory, flat);
}

at::Tensor ConvolveEach(const Operation& operation, const at::Tensor& weights,
                        const at::Tensor& bias) {
  const at::Tensor& input = operation.tensor(0);
  if (input.dim() == 4 && AllOnes(operation.inputs[3]) && AllOnes(operation.inputs[5])) {
    return ConvolveEachPlainly(operation, weights, bias);
  }
  const std::int64_t examples = input.size(0);
  std::vector<std::int64_t> inputs = input.sizes().vec();
  inputs[1] *= examples;
  inputs[0] = 1;
  const at::Tensor result = at::convolution(
      input.reshape(inputs), weights.flatten(0, 1), bias.flatten(),
      operation.inputs[3].toIntVector(), operation.inputs[4].toIntVector(),
      operation.inputs[5].toIntVector(), false,
      std::vector<std::int64_t>(operation.inputs[4].toIntVector().size(), 0), examples);
  return result.view(operation.output().sizes());
}

}  // namespace ndcao
