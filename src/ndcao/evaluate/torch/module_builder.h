// Puts a TorchScript module together from named tensors and the source of its methods.
#pragma once

#include <torch/script.h>

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace ndcao {

class ModuleBuilder {
 public:
  explicit ModuleBuilder(std::uint64_t seed) : seed_(seed), module_("Network") {}

  /// From now on tensors are not parameters with random values, but int8 buffers: the next of
  /// `values`, each through `round`. For the export of integer networks. `values` must outlive the
  /// builder.
  void StoreIntegers(std::span<const float> values, std::function<at::Tensor(at::Tensor)> round);

  /// Adds the parameter `layer`.`name` with independent N(0, deviation²) values.
  void Normal(const std::string& layer, const std::string& name, std::vector<std::int64_t> shape,
              double deviation);
  /// Adds the parameter `layer`.`name` with one value everywhere.
  void Constant(const std::string& layer, const std::string& name, std::vector<std::int64_t> shape,
                float value);
  /// Weight [out, in], N(0, 1/in), and bias [out], 0, of a linear layer.
  void Linear(const std::string& layer, std::int64_t in, std::int64_t out);
  /// Weight [out, in, kernel, kernel], N(0, 1/fan-in), and bias [out], 0, of a convolution.
  void Convolution(const std::string& layer, std::int64_t in, std::int64_t out,
                   std::int64_t kernel);

  /// Adds methods from TorchScript source and returns the module.
  torch::jit::Module Build(const std::string& source);

 private:
  void Add(const std::string& layer, const std::string& name, at::Tensor values);

  std::uint64_t seed_;
  std::uint64_t tensors_ = 0;
  torch::jit::Module module_;
  std::span<const float> integers_;
  std::function<at::Tensor(at::Tensor)> round_;
};

}  // namespace ndcao
