// What the losses of one slot of a batch teach the sites that a network, or a stage of one, has.
// Internal to evaluate/torch.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>

#include "ndcao/evaluate/torch/site_probe.h"

namespace ndcao {

class SlotLesson {
 public:
  /// All outlive it. `first_site`: sites of the stages before; `parameters`: here.
  SlotLesson(const TorchPlan& plan, const ParameterMemory& memory, std::uint64_t parameters,
             std::size_t first_site)
      : plan_(plan), memory_(memory), parameters_(parameters), first_site_(first_site) {}

  SiteProbe ProbeOf(std::size_t site, const OperationTape& tape,
                    const ProbeRequest& request) const {
    return SiteProbe(plan_.sites[site], plan_.plan.sites[site], first_site_ + site, tape, request);
  }

  /// What came of probe k of a site (counted here).
  using Answer =
      std::function<ProbeAnswer(std::size_t site, const SiteProbe& prober, std::uint32_t k)>;

  /// Fills `sums` but for the forwards. `clean` has a tape, losses and error; its features are made
  /// here. `output_signal`: of the site that makes the outputs, [B, outputs], if there is one.
  void Learn(const ProbeRequest& request, CleanPass& clean, const Answer& answer,
             const std::function<at::Tensor()>& output_signal, ProbeSums& sums) const;

 private:
  void WhitenInputs(std::size_t site, const ProbeRequest& request, const CleanPass& clean,
                    const at::Tensor& gradient, SiteSums& sums) const;
  void Clear(const ProbeRequest& request, ProbeSums& sums) const;

  const TorchPlan& plan_;
  const ParameterMemory& memory_;
  const std::uint64_t parameters_;
  const std::size_t first_site_;
};

}  // namespace ndcao
