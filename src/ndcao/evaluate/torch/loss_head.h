// From a network's outputs to the losses that are broadcast to its blocks: of every example, and of
// every example at perturbed outputs (docs/activations.md). Internal to evaluate/torch.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "ndcao/evaluate/activation_evaluator.h"
#include "ndcao/evaluate/objective.h"

namespace ndcao {

class LossHead {
 public:
  /// `objective` outlives it and has a loss for each example. `features`: perturbed outputs.
  LossHead(const Objective* objective, std::int64_t outputs, std::uint64_t features)
      : objective_(objective), outputs_(outputs), features_(static_cast<std::int64_t>(features)) {}

  /// [rows] losses of [rows, outputs]; the labels repeat.
  at::Tensor Losses(const at::Tensor& outputs, std::span<const std::int32_t> labels);

  /// [r, B]: the losses when the outputs move, one by one where there are as many as features,
  /// along directions that are the same in every step otherwise.
  at::Tensor AtOutputs(const ProbeRequest& request, const at::Tensor& outputs,
                       std::span<const std::int32_t> labels);

  /// e: [B, r], what the loss does there, given the clean losses [B].
  static at::Tensor Responses(const at::Tensor& at_outputs, const at::Tensor& losses);

  /// The signal of the site that makes the outputs, [B, outputs]: e itself, where every output was
  /// probed.
  at::Tensor OutputSignal(const ProbeRequest& request, const at::Tensor& outputs,
                          std::span<const std::int32_t> labels, const at::Tensor& losses,
                          const at::Tensor& error);

 private:
  static Outputs OutputsOf(const at::Tensor& rows, std::span<const std::int32_t> labels);
  at::Tensor LossesAlong(const at::Tensor& directions, const at::Tensor& outputs,
                         std::span<const std::int32_t> labels);

  const Objective* objective_;
  std::int64_t outputs_;
  std::int64_t features_;
  std::vector<std::int32_t> repeated_;
};

}  // namespace ndcao
