// What a network offers to blocks that probe the activations they produce (docs/activations.md):
// the sites where it can be probed, and measurements there.
//
// A site is one place (or, in a recurrent layer, several calls of one place) where operations with
// weights leave their results. A slot is the part of a batch that one thread measures; its sums are
// added to those of the other slots in a fixed order.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ndcao/activation/probe_sums.h"
#include "ndcao/base/result.h"
#include "ndcao/evaluate/evaluator.h"

namespace ndcao {

enum class SiteKind {
  kOutput,       ///< Its activations are the network's outputs: probed one by one.
  kActivations,  ///< Probed by signs on the activations.
  kWeights,      ///< Fewer weights than columns: signs on the weights, for every example.
};

struct ProbeSite {
  std::string name;       ///< "fc1", "conv1+shortcut"
  std::string operation;  ///< "linear", "conv2d", "linear x 28"
  SiteKind kind = SiteKind::kActivations;
  std::vector<std::size_t> tensors;  ///< Of the layout: what is trained here.
  std::uint64_t units = 0;           ///< Activations of one example.
  double rerun = 1;                  ///< Share of the operations that one probe runs again.
  /// Of the estimator: one for each cell of units that share it.
  std::uint64_t columns = 0;
  std::vector<std::uint32_t> cells = {};  ///< Of each unit; empty: every unit is its own cell.
  /// Of the weights whose inputs' second moment is cheap to know: its width.
  std::vector<std::uint64_t> inputs = {};
  std::uint64_t calls = 1;  ///< Of one of these in a pass; more in a recurrent layer.
};

/// A tensor without a site, and why.
struct UnprobedTensor {
  std::size_t tensor = 0;
  std::string reason;
};

struct ProbePlan {
  std::vector<ProbeSite> sites;
  std::vector<UnprobedTensor> unprobed;
  std::uint64_t features = 0;  ///< r: perturbed outputs.
  std::string whole_passes;    ///< Why probes take whole passes; empty: segments.
};

/// What a measurement is doing.
enum class ProbePart {
  kForward,  ///< Passes and their losses.
  kPerturb,  ///< Signs, and the changes that they make.
  kLesson,   ///< What the losses teach the blocks, and their outer products.
};

/// One slot of one step.
struct ProbeRequest {
  std::span<const std::uint32_t> examples;
  std::uint64_t seed = 0;
  std::uint64_t first = 0;  ///< Position of the first of them in the batch; keys their signs.
  std::uint64_t step = 0;
  std::uint32_t probes = 1;  ///< K: of every site that is probed by signs.
  float sigma = 0.01f;       ///< Relative to the root mean square of a site's activations.
  bool learned = true;
  /// Learned: the inverse of the features' second moment, r × r; empty: do not learn yet.
  std::span<const float> whitener;
  /// Learned: every site's estimator, r × columns.
  std::span<const std::span<const float>> estimators;
  bool measure_inputs = false;  ///< Fill the sites' sums of inputs.
  /// Every site's inverses of its input factors, which outer products are multiplied by; empty ones
  /// are left out.
  std::span<const std::vector<std::span<const float>>> input_inverses;
  /// Called when a part begins, if there is one.
  std::function<void(ProbePart)> on_part;
};

/// One per worker thread; used by that thread alone.
class ActivationEvaluator {
 public:
  virtual ~ActivationEvaluator() = default;
  virtual const ProbePlan& plan() const = 0;
  /// The network itself: its parameters, which Measure reads, and its loss.
  virtual Evaluator& network() = 0;
  /// From now on the network reads its parameters from this memory, d floats that others may read
  /// too; nobody writes them during a measurement. They outlive the evaluator.
  virtual void ReadParameters(std::span<const float> shared) = 0;
  /// Fills `sums`, whose vectors are resized as needed and overwritten.
  virtual Status Measure(const ProbeRequest& request, ProbeSums& sums) = 0;
  /// For benchmarks: something that takes the weight-gradient products of these examples and does
  /// nothing else, at every call. The signals are made up. The evaluator outlives it.
  virtual Result<std::function<Status()>> Products(std::span<const std::uint32_t> examples) = 0;
};

}  // namespace ndcao
