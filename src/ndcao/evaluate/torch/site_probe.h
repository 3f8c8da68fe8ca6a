// What one site does with one slot of a batch. Internal to evaluate/torch.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

#include "ndcao/evaluate/activation_evaluator.h"
#include "ndcao/evaluate/torch/probe_plan.h"

namespace ndcao {

/// The clean pass of a slot, and what every block hears of it.
struct CleanPass {
  const OperationTape* tape = nullptr;
  at::Tensor losses;    ///< [B]
  at::Tensor error;     ///< e: [B, r], the losses at perturbed outputs.
  at::Tensor features;  ///< [B, r]: e, whitened and normalised; undefined: do not learn yet.
  /// Losses [B] of a pass with changes; `watch` and what it saw as in Recompute.
  std::function<at::Tensor(std::span<const Change>, std::span<const std::size_t> watch,
                           std::vector<at::Tensor>* seen)>
      changed;
};

/// Probes a site and adds its outer products to `gradient` (flat, d). `estimator`: [r, columns],
/// learned runs only.
void MeasureSite(const TorchSite& site, const ProbeSite& described, std::size_t index,
                 const CleanPass& clean, const ProbeRequest& request, const at::Tensor& estimator,
                 const ParameterMemory& memory, const at::Tensor& gradient, SiteSums& sums);

/// The signal of every activation of the site, [B, units], as outer products into `gradient`.
void AddOuterProducts(const TorchSite& site, const OperationTape& tape, const at::Tensor& signal,
                      const ParameterMemory& memory, const at::Tensor& gradient);

/// ±1, the run's stream at (step, stream), from number `first` on.
at::Tensor Signs(std::uint64_t seed, std::uint64_t step, std::uint32_t stream, std::uint64_t first,
                 at::IntArrayRef sizes);

}  // namespace ndcao
