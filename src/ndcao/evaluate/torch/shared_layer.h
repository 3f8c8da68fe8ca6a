// The first layer of a dense network, whose inputs are the same in all evaluations of a group:
//
//   (W + s·E_k) x = W x + s (E_k x)
//
// The product with W is taken once for the group. That with the signs E_k is a sum of the data's
// own bytes, exact in integers (signed_sums.h), and no perturbed weight is multiplied at all.
// Internal to evaluate/torch.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ndcao/data/dataset.h"
#include "ndcao/evaluate/torch/script_model.h"
#include "ndcao/evaluate/torch/signed_sums.h"

namespace ndcao {

class SharedLayer {
 public:
  /// For `layer` of the model, a linear layer of the flattened input, after which the module's
  /// method `rest` makes the outputs. Empty where it would not be faster: the data are not bytes,
  /// or the processor does not multiply them. `model` outlives it.
  static std::unique_ptr<SharedLayer> Create(ScriptModel& model, const std::string& layer,
                                             const Dataset& data);

  /// Begins a group on these examples: `input` [n, …] holds their values, `part` their bytes.
  /// Until the next, the model's parameters differ from `centre` by ±step or nothing, each. The
  /// values are not needed any more once the product is taken: their memory becomes the group's.
  void Begin(const at::Tensor& input, const Examples& part, std::span<const std::uint32_t> examples,
             std::span<const float> centre, float step);
  /// The network's outputs with the parameters that the model has now.
  at::Tensor Forward();

 private:
  SharedLayer(ScriptModel& model, const Dataset& data, const Tensor& weight, const Tensor& bias);

  ScriptModel& model_;
  const Dataset& data_;
  Tensor weight_;
  Tensor bias_;
  SignRows signs_;
  std::span<const float> centre_;
  float step_ = 0;
  at::Tensor product_;  ///< [units, n]: W x.
  at::Tensor memory_;   ///< Of what follows.
  ByteBatch batch_;
  std::span<std::int32_t> sums_;  ///< [units, stride]; then the layer's answers, in their place.
};

}  // namespace ndcao
