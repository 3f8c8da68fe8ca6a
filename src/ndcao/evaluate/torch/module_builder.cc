#include "ndcao/evaluate/torch/module_builder.h"

#include <algorithm>
#include <cmath>

#include "ndcao/base/result.h"
#include "ndcao/random/sequence.h"

namespace ndcao {

void ModuleBuilder::StoreIntegers(std::span<const float> values,
                                  std::function<at::Tensor(at::Tensor)> round) {
  integers_ = values;
  round_ = std::move(round);
}

void ModuleBuilder::Add(const std::string& layer, const std::string& name, at::Tensor values) {
  ++tensors_;
  if (!module_.hasattr(layer)) module_.register_module(layer, torch::jit::Module(layer));
  torch::jit::Module owner = module_.attr(layer).toModule();
  if (!round_) {
    owner.register_parameter(name, std::move(values), false);
    return;
  }
  const auto count = static_cast<std::size_t>(values.numel());
  NDCAO_CHECK(count <= integers_.size());
  std::copy_n(integers_.begin(), count, values.data_ptr<float>());
  integers_ = integers_.subspan(count);
  owner.register_buffer(name, round_(values).to(at::kChar));
}

void ModuleBuilder::Normal(const std::string& layer, const std::string& name,
                           std::vector<std::int64_t> shape, double deviation) {
  at::Tensor values = at::empty(shape);
  RandomSequence sequence(seed_, Purpose::kInit, tensors_);
  float* out = values.data_ptr<float>();
  for (std::int64_t i = 0; i < values.numel(); ++i) {
    out[i] = static_cast<float>(deviation * sequence.Normal());
  }
  Add(layer, name, std::move(values));
}

void ModuleBuilder::Constant(const std::string& layer, const std::string& name,
                             std::vector<std::int64_t> shape, float value) {
  Add(layer, name, at::full(shape, value));
}

void ModuleBuilder::Linear(const std::string& layer, std::int64_t in, std::int64_t out) {
  Normal(layer, "weight", {out, in}, 1 / std::sqrt(static_cast<double>(in)));
  Constant(layer, "bias", {out}, 0);
}

void ModuleBuilder::Convolution(const std::string& layer, std::int64_t in, std::int64_t out,
                                std::int64_t kernel) {
  const auto fan_in = static_cast<double>(in * kernel * kernel);
  Normal(layer, "weight", {out, in, kernel, kernel}, 1 / std::sqrt(fan_in));
  Constant(layer, "bias", {out}, 0);
}

torch::jit::Module ModuleBuilder::Build(const std::string& source) {
  module_.define(source);
  return module_;
}

}  // namespace ndcao
