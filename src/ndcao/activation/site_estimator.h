// What a block believes of its activations: a linear estimator of dL/d(activation) in the losses at
// perturbed outputs, corrected by what its own probes did to the loss (docs/activations.md).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ndcao/activation/probe_sums.h"
#include "ndcao/activation/slot_agreement.h"
#include "ndcao/base/bytes.h"

namespace ndcao {

/// A site as the arithmetic sees it.
struct SiteShape {
  std::uint64_t columns = 0;  ///< Of the estimator: cells, or units where there are none.
  bool probed = true;         ///< False for the outputs, whose signal is measured.
  bool by_weights = false;    ///< Its probes perturb weights.
  bool shared = false;        ///< Cells of several units: a probe moves all of a cell alike.
  std::vector<std::uint64_t> inputs = {};  ///< Widths of its input factors.
};

class SiteEstimator {
 public:
  SiteEstimator(SiteShape shape, std::size_t features);

  /// C: features × columns.
  const std::vector<float>& values() const { return values_; }

  /// One step of normalised least mean squares on a batch of `examples`, from the sums of its
  /// slots; `probes` per example. Cells of several units take a step as long as what the slots
  /// agree upon allows (slot_agreement.h), in the metric of the features' second moment `moment`,
  /// r × r but for a factor. A correction that is not finite is left out.
  void Learn(std::span<const SiteSums* const> slots, double examples, double probes,
             std::span<const double> moment);

  /// R²: the share of the responses' variance that is foreseen, over some hundred batches; 0 if
  /// nothing was observed.
  double foreseen() const { return observed_ > 0 ? 1 - unforeseen_ / observed_ : 0; }

  void Save(ByteWriter& out) const;
  void Load(ByteReader& in);

 private:
  double LongestStep(double mean_change, double spanned) const;

  SiteShape shape_;
  std::size_t features_;
  std::vector<float> values_;
  SlotAgreement agreement_;
  double observed_ = 0;
  double unforeseen_ = 0;
};

}  // namespace ndcao
