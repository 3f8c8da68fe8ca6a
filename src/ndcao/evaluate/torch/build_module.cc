#include "ndcao/evaluate/torch/build_module.h"

#include <algorithm>
#include <functional>

#include "ndcao/evaluate/torch/runtime.h"
#include "ndcao/random/sequence.h"

namespace ndcao {
namespace {

using AddTensor =
    std::function<void(torch::jit::Module layer, const std::string& name, at::Tensor empty)>;

void Pair(Pairing pairing, at::Tensor& matrix) {
  const std::int64_t pairs = pairing == Pairing::kEqualRows ? matrix.size(0) : matrix.size(1);
  for (std::int64_t i = 0; i + 1 < pairs; i += 2) {
    if (pairing == Pairing::kEqualRows) {
      matrix.select(0, i + 1).copy_(matrix.select(0, i));
    } else {
      matrix.select(1, i + 1).copy_(matrix.select(1, i).neg());
    }
  }
}

Result<torch::jit::Module> Build(const NetworkDescription& network, const AddTensor& add) {
  torch::jit::Module module("Network");
  NDCAO_TRY(CatchTorch("model", [&] {
    for (const TensorDescription& tensor : network.tensors) {
      if (!module.hasattr(tensor.layer)) {
        module.register_module(tensor.layer, torch::jit::Module(tensor.layer));
      }
      add(module.attr(tensor.layer).toModule(), tensor.name, at::empty(tensor.shape));
    }
    module.define(network.Source());
  }));
  return module;
}

}  // namespace

Result<torch::jit::Module> BuildModule(const NetworkDescription& network, std::uint64_t seed) {
  std::size_t index = 0;
  return Build(network, [&](torch::jit::Module layer, const std::string& name, at::Tensor values) {
    const TensorDescription& tensor = network.tensors[index];
    RandomSequence sequence(seed, Purpose::kInit, index);
    ++index;
    float* out = values.data_ptr<float>();
    for (std::int64_t i = 0; i < values.numel(); ++i) {
      out[i] = static_cast<float>(tensor.deviation > 0 ? tensor.deviation * sequence.Normal()
                                                       : tensor.value);
    }
    if (tensor.pairing != Pairing::kNone) Pair(tensor.pairing, values);
    layer.register_parameter(name, values, false);
  });
}

Result<torch::jit::Module> BuildIntegerModule(const NetworkDescription& network,
                                              std::span<const float> parameters) {
  return Build(network, [&](torch::jit::Module layer, const std::string& name, at::Tensor values) {
    const auto count = static_cast<std::size_t>(values.numel());
    NDCAO_CHECK(count <= parameters.size());
    std::copy_n(parameters.begin(), count, values.data_ptr<float>());
    parameters = parameters.subspan(count);
    const at::Tensor on_grid = network.grid == WeightGrid::kBinary
                                   ? at::copysign(at::ones({1}), values)
                                   : values.round().clamp(-127, 127);
    layer.register_buffer(name, on_grid.to(at::kChar));
  });
}

}  // namespace ndcao
