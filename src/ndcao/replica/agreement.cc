#include "ndcao/replica/agreement.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace ndcao {
namespace {

constexpr double kRounding = 1e-5;
constexpr double kLevelShare = 0.5;
constexpr double kLevelSpreads = 4;

struct Moments {
  double mean = 0;
  double spread = 0;
};

Moments MomentsOf(const std::vector<double>& values) {
  const auto n = static_cast<double>(values.size());
  Moments moments;
  for (const double x : values) moments.mean += x / n;
  for (const double x : values) moments.spread += (x - moments.mean) * (x - moments.mean) / n;
  moments.spread = std::sqrt(moments.spread);
  return moments;
}

auto CountFinite(std::span<const float> losses) {
  return std::count_if(losses.begin(), losses.end(), [](float x) { return std::isfinite(x); });
}

bool SameLevel(double a, double b, double spread) {
  const double least = std::min(std::abs(a), std::abs(b));
  return std::abs(a - b) <= std::max(kLevelShare * least, kLevelSpreads * spread);
}

}  // namespace

bool Agree(const MeasuredGroup& a, const MeasuredGroup& b) {
  std::vector<double> of_a, of_b, apart;
  for (std::size_t k = 0; k < std::min(a.losses.size(), b.losses.size()); ++k) {
    if (!std::isfinite(a.losses[k]) || !std::isfinite(b.losses[k])) continue;
    of_a.push_back(a.losses[k]);
    of_b.push_back(b.losses[k]);
    apart.push_back(of_a.back() - of_b.back());
  }
  const auto finite = std::max(CountFinite(a.losses), CountFinite(b.losses));
  if (8 * static_cast<std::ptrdiff_t>(apart.size()) < 7 * finite) return false;
  if (std::isfinite(a.centre) != std::isfinite(b.centre)) return false;
  if (apart.empty()) return true;  // nobody measured anything
  const Moments first = MomentsOf(of_a);
  const Moments second = MomentsOf(of_b);
  const double least = std::min(std::abs(first.mean), std::abs(second.mean));
  const double spread = std::max(std::min(first.spread, second.spread), kRounding * least);
  if (MomentsOf(apart).spread > spread) return false;
  if (!SameLevel(first.mean, second.mean, spread)) return false;
  return !std::isfinite(a.centre) || SameLevel(a.centre, b.centre, spread);
}

}  // namespace ndcao
