// What one site does with one slot of a batch: it makes perturbed copies of the pass, and learns
// from their losses. The two halves may lie in different moments: a stage of a partitioned run
// waits for the losses in between. Internal to evaluate/torch.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <optional>
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
};

/// A pass with changes; `watch` as in OperationTape::Recompute.
using ChangedForward =
    std::function<ChangedPass(std::span<const Change>, std::span<const std::size_t> watch)>;

/// A probe of a site on every example.
struct Probe {
  at::Tensor direction;  ///< m: [B, columns], the change of the activations, summed over cells.
  at::Tensor weights;    ///< kWeights: [B, weights], the signs themselves.
  double scale = 0;      ///< s: how far it went. 0: nowhere, as nothing finite was there to move.
  at::Tensor output;     ///< What came out at the end of the pass; undefined if the scale is 0.
};

/// The first half: a site's perturbed copies of a pass.
class SiteProbe {
 public:
  /// All outlive it. `index`: of the site in the whole network, which keys its signs.
  SiteProbe(const TorchSite& site, const ProbeSite& described, std::size_t index,
            const OperationTape& tape, const ProbeRequest& request);

  /// Where activations are open: [B, units] of 0 and 1; undefined: everywhere.
  const at::Tensor& gate() const { return gate_; }

  /// Copy k of those that the request asks for.
  Probe Take(std::uint32_t k, const ChangedForward& changed) const;

 private:
  std::uint32_t Stream(std::uint32_t k) const;
  double Size() const;  ///< The root mean square of the results; taken once, when it is needed.
  Probe ProbeActivations(std::uint32_t k, const ChangedForward& changed) const;
  Probe ProbeWeights(std::uint32_t k, const ChangedForward& changed) const;

  const TorchSite& site_;
  const ProbeSite& described_;
  const std::size_t index_;
  const OperationTape& tape_;
  const ProbeRequest& request_;
  std::vector<at::Tensor> results_;
  mutable std::optional<double> size_;
  at::Tensor gate_;
};

/// What came of a probe.
struct ProbeAnswer {
  Probe probe;
  at::Tensor losses;  ///< [B]; undefined if the probe's scale is 0.
};

/// The second half: what the probes' losses teach the site, and its outer products, into `gradient`
/// (flat, d). `answer` is asked once for each of the request's probes. `estimator`: [r, columns],
/// learned runs only.
void LearnSite(const TorchSite& site, const ProbeSite& described, const CleanPass& clean,
               const ProbeRequest& request, const at::Tensor& gate,
               const std::function<ProbeAnswer(std::uint32_t k)>& answer,
               const at::Tensor& estimator, const ParameterMemory& memory,
               const at::Tensor& gradient, SiteSums& sums);

/// A signal of all activations of the site, [B, units], in parts: of each point, [B, its units].
std::vector<at::Tensor> AtPoints(const TorchSite& site, const at::Tensor& signal);

/// Takes the signals at the points back to the results of the site's calls, of which `taker` is
/// told the index.
void SignalsOfCalls(const TorchSite& site, const OperationTape& tape,
                    const std::vector<at::Tensor>& signals, const SignalTaker& taker);

/// The same as outer products into `gradient`.
void AddOuterProducts(const TorchSite& site, const OperationTape& tape,
                      const std::vector<at::Tensor>& signals, const ParameterMemory& memory,
                      const at::Tensor& gradient);

/// ±1, the run's stream at (step, stream), from number `first` on.
at::Tensor Signs(std::uint64_t seed, std::uint64_t step, std::uint32_t stream, std::uint64_t first,
                 at::IntArrayRef sizes);

}  // namespace ndcao
