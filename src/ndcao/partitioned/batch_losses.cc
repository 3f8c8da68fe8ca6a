#include "ndcao/partitioned/batch_losses.h"

#include <algorithm>

namespace ndcao {

void LossTable::PutClean(const SlotName& slot, std::span<const float> losses,
                         std::size_t examples) {
  Rows& rows = rows_[slot];
  rows.examples = examples;
  rows.there.assign(copies_, false);
  rows.values.assign(losses.size() + copies_ * examples, 0.0f);
  std::copy_n(losses.begin(), examples, rows.values.begin());
  std::copy(losses.begin() + static_cast<std::ptrdiff_t>(examples), losses.end(),
            rows.values.begin() + static_cast<std::ptrdiff_t>((1 + copies_) * examples));
}

void LossTable::PutCopy(const SlotName& slot, std::uint32_t copy, std::span<const float> losses) {
  const auto found = rows_.find(slot);
  if (found == rows_.end()) return;
  Rows& rows = found->second;
  std::copy(losses.begin(), losses.end(),
            rows.values.begin() + static_cast<std::ptrdiff_t>((1 + copy) * rows.examples));
  rows.there[copy] = true;
}

std::optional<std::vector<float>> LossTable::Take(const SlotName& slot) {
  const auto found = rows_.find(slot);
  const auto is = [](bool there) { return there; };
  if (found == rows_.end() || !std::ranges::all_of(found->second.there, is)) return std::nullopt;
  return std::move(rows_.extract(found).mapped().values);
}

}  // namespace ndcao
