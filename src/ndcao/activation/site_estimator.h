// What a block believes of its activations: a linear estimator of dL/d(activation) in the losses at
// perturbed outputs, corrected by what its own probes did to the loss (docs/activations.md).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ndcao/activation/probe_sums.h"
#include "ndcao/base/bytes.h"

namespace ndcao {

/// A site as the arithmetic sees it.
struct SiteShape {
  std::uint64_t units = 0;  ///< Activations of one example.
  bool probed = true;       ///< False for the outputs, whose signal is measured.
  bool by_weights = false;  ///< Its probes perturb weights.
  /// Which cell each unit belongs to: units of a cell share their column of the estimator. Empty:
  /// every unit has its own.
  std::vector<std::uint32_t> cells = {};

  std::uint64_t columns() const;  ///< Cells, or units where there are none.
};

class SiteEstimator {
 public:
  SiteEstimator(SiteShape shape, std::size_t features);

  /// C: features × units; equal within a cell.
  const std::vector<float>& values() const { return values_; }

  /// One step of normalised least mean squares on a batch of `examples`, from the sums of its
  /// slots; `probes` per example. A correction that is not finite is left out.
  void Learn(std::span<const SiteSums* const> slots, double examples, double probes);

  /// R²: the share of the responses' variance that is foreseen, over some hundred batches; 0 if
  /// nothing was observed.
  double foreseen() const { return observed_ > 0 ? 1 - unforeseen_ / observed_ : 0; }

  void Save(ByteWriter& out) const;
  void Load(ByteReader& in);

 private:
  /// Replaces every unit's correction by the mean over its cell.
  void ShareWithinCells(std::vector<float>& correction) const;
  double StepSize(double change, double examples, double probes) const;

  SiteShape shape_;
  std::size_t features_;
  std::vector<float> values_;
  std::vector<float> cell_sizes_;
  double observed_ = 0;
  double unforeseen_ = 0;
};

}  // namespace ndcao
