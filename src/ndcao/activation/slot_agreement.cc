#include "ndcao/activation/slot_agreement.h"

#include <cmath>
#include <limits>

namespace ndcao {
namespace {

constexpr double kMemory = 0.995;

/// Σ over columns of gᵀ A g, g a column of `values` (features × columns).
double SquareIn(std::span<const double> moment, std::size_t features,
                std::span<const float> values) {
  const std::size_t columns = values.size() / features;
  std::vector<float> turned;
  std::vector<float> products(columns, 0.0f);
  for (std::size_t i = 0; i < features; ++i) {
    turned.assign(columns, 0.0f);
    for (std::size_t j = 0; j < features; ++j) {
      const auto weight = static_cast<float>(moment[i * features + j]);
      const float* row = values.data() + j * columns;
      for (std::size_t c = 0; c < columns; ++c) turned[c] += weight * row[c];
    }
    const float* row = values.data() + i * columns;
    for (std::size_t c = 0; c < columns; ++c) products[c] += turned[c] * row[c];
  }
  double sum = 0;
  for (const float x : products) sum += x;
  return sum;
}

}  // namespace

void SlotAgreement::See(std::span<const std::span<const float>> corrections,
                        std::span<const double> moment) {
  if (corrections.size() < 2 || moment.empty()) return;
  const auto features = static_cast<std::size_t>(std::lround(std::sqrt(moment.size())));
  std::vector<float> sum(corrections.front().size(), 0.0f);
  double each = 0;
  for (const std::span<const float> slot : corrections) {
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += slot[i];
    each += SquareIn(moment, features, slot);
  }
  const double all = SquareIn(moment, features, sum);
  const auto slots = static_cast<double>(corrections.size());
  // Of products of different slots alone, scaled to all of them; the rest of `all` is variance.
  const double agreed = (all - each) * slots / (slots - 1);
  const double noise = all - agreed;
  if (!std::isfinite(agreed) || !std::isfinite(noise)) return;
  agreed_ = kMemory * agreed_ + (1 - kMemory) * agreed;
  noise_ = kMemory * noise_ + (1 - kMemory) * noise;
}

double SlotAgreement::BestStep() const {
  if (noise_ <= 0) return std::numeric_limits<double>::infinity();
  return 4.0 / 3.0 * agreed_ / noise_;
}

void SlotAgreement::Save(ByteWriter& out) const {
  out.Put(agreed_);
  out.Put(noise_);
}

void SlotAgreement::Load(ByteReader& in) {
  agreed_ = in.Get<double>();
  noise_ = in.Get<double>();
}

}  // namespace ndcao
