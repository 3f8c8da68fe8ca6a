// Objectives: from a network's outputs and the labels to a loss. They need not be differentiable,
// nor even continuous.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ndcao/base/result.h"

namespace ndcao {

/// Outputs of a network for n examples: n rows of `classes` float32 values.
struct Outputs {
  std::span<const float> values;
  std::span<const std::int32_t> labels;  ///< n of them, in [0, classes).
  std::size_t classes = 0;

  std::size_t size() const { return labels.size(); }
  std::span<const float> row(std::size_t i) const { return values.subspan(i * classes, classes); }
};

/// Stateless; any thread.
class Objective {
 public:
  virtual ~Objective() = default;

  /// Whether the loss is a mean of per-example losses.
  virtual bool per_example() const { return true; }

  /// Loss of every example and its screening score: 1 − probability of the right class, else the
  /// loss. Only if per_example(). Empty `scores` are not wanted.
  virtual void PerExample(const Outputs& outputs, std::span<float> losses,
                          std::span<float> scores) const = 0;

  /// Losses of every example when one of its outputs is moved by `step`, the outputs one after the
  /// other: losses[c · n + i] is that of example i with output c moved. Only if per_example().
  virtual void PerExampleMoved(const Outputs& outputs, float step, std::span<float> losses) const;

  /// The loss of all of `outputs`; the weights (empty: ones) apply where it is a mean:
  /// (1/n) Σ w ℓ.
  virtual double Loss(const Outputs& outputs, std::span<const float> weights) const;
};

/// cross-entropy, mse (against one-hot targets), accuracy (its negative), zero-one, macro-f1 (one
/// minus it). An unknown name is an error that lists these.
Result<std::unique_ptr<Objective>> MakeObjective(const std::string& name);
std::vector<std::string> ObjectiveNames();

/// Share of examples whose largest output is at their label, in [0, 1].
double Accuracy(const Outputs& outputs);

}  // namespace ndcao
