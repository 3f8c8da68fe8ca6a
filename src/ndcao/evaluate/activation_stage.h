// One stage of a network whose blocks probe their activations (docs/partitioned.md): its part of
// the clean pass and of every perturbed copy, copies of its own, and what the losses teach its
// sites.
//
//   stage->Begin(request, input, labels);      // a slot's clean pass; goes on to the next stage
//   stage->Copy(request, i);                   // a perturbed copy of it, likewise
//   stage->Pass(request, input);               // a copy that comes from a stage before
//   stage->Learn(request, losses, sums);       // when the last stage has told the losses
#pragma once

#include <cstdint>
#include <span>

#include "ndcao/evaluate/activation_evaluator.h"
#include "ndcao/evaluate/stage_network.h"

namespace ndcao {

/// What all stages hear of a slot, and one stage's share of it.
struct SlotLosses {
  std::span<const float> clean;       ///< B
  std::span<const float> copies;      ///< Of the stage's own copies: copies() × B.
  std::span<const float> at_outputs;  ///< r × B, at perturbed outputs; empty: strict.
};

/// Used by one thread. A request's step and first name the slot; its examples are not looked at,
/// and the beliefs (whitener, estimators of the stage's own sites) by Learn only.
class ActivationStage : public StageNetwork {
 public:
  /// The stage's own sites; their tensors are counted from the stage's first.
  virtual const ProbePlan& plan() const = 0;
  /// Sites that it probes: all but the one that makes the network's outputs.
  virtual std::uint32_t probed_sites() const = 0;

  /// Values of one example where it enters the stage.
  virtual std::uint64_t inputs() const = 0;

  // Begin, Copy and Pass answer what goes on, valid until the next call: rows of activations; of
  // the last stage, losses: Begin 1 + r times B (clean, and at perturbed outputs), the others B.

  /// The clean pass of a slot, which is kept until Learn. `labels`: in the last stage.
  virtual Result<std::span<const float>> Begin(const ProbeRequest& request,
                                               std::span<const float> input,
                                               std::span<const std::int32_t> labels) = 0;
  /// Copy i of a slot that has begun, i < probes × probed_sites(): probe i % probes of a site.
  virtual Result<std::span<const float>> Copy(const ProbeRequest& request, std::uint32_t i) = 0;
  /// Another stage's copy of a slot that has begun.
  virtual Result<std::span<const float>> Pass(const ProbeRequest& request,
                                              std::span<const float> input) = 0;
  /// Fills `sums` but for the forwards, and lets the slot go.
  virtual Status Learn(const ProbeRequest& request, const SlotLosses& losses, ProbeSums& sums) = 0;
  /// Lets all slots go.
  virtual void Forget() = 0;
};

}  // namespace ndcao
