// The last stage's part of a run that probes activations: the losses of a slot's clean pass, of all
// stages' copies and at perturbed outputs come together here, and are told to all stages at once.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "ndcao/evaluate/activation_stage.h"
#include "ndcao/partitioned/stage_file.h"

namespace ndcao {

/// A slot of a batch: its step, and which of the step's slots.
using SlotName = std::pair<std::uint64_t, std::uint32_t>;

/// What all stages are told of a slot, as floats: B clean losses, copies × B, and r × B at
/// perturbed outputs if blocks learn estimators.
class HeardLosses {
 public:
  HeardLosses() = default;
  HeardLosses(std::vector<float> values, std::size_t examples)
      : values_(std::move(values)), examples_(examples) {}

  /// For a stage that has `count` copies from number `first` on, out of `copies`.
  SlotLosses For(std::uint32_t first, std::uint32_t count, std::uint32_t copies) const {
    const auto rows = [this](std::size_t row, std::size_t size) {
      return std::span<const float>(values_).subspan(row * examples_, size * examples_);
    };
    const std::size_t all = values_.size() / examples_;
    return {rows(0, 1), rows(1 + first, count), rows(1 + copies, all - 1 - copies)};
  }

 private:
  std::vector<float> values_;
  std::size_t examples_ = 1;
};

/// Puts slots together.
class LossTable {
 public:
  /// `copies`: of all stages.
  explicit LossTable(std::uint32_t copies) : copies_(copies) {}

  /// The clean pass: 1 + at_outputs times B losses.
  void PutClean(const SlotName& slot, std::span<const float> losses, std::size_t examples);
  /// B losses of a copy; nothing if the slot's clean pass is not there.
  void PutCopy(const SlotName& slot, std::uint32_t copy, std::span<const float> losses);
  /// All of the slot's losses, if they are complete; it is then forgotten here.
  std::optional<std::vector<float>> Take(const SlotName& slot);
  void Clear() { rows_.clear(); }

 private:
  struct Rows {
    std::vector<float> values;
    std::size_t examples = 0;
    std::vector<bool> there;  // copies
  };

  std::uint32_t copies_;
  std::map<SlotName, Rows> rows_;
};

}  // namespace ndcao
