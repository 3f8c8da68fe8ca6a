#include "ndcao/activation/output_moment.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace ndcao {
namespace {

constexpr double kMemory = 0.98;
constexpr double kRidge = 0.02;
// So that a network that makes no error at all still has an inverse.
constexpr double kTiny = 1e-12;

/// The inverse of a symmetric positive definite matrix, by Gauss and Jordan; no pivots are needed.
std::vector<double> Inverse(std::vector<double> a, std::size_t n) {
  std::vector<double> inverse(n * n, 0);
  for (std::size_t i = 0; i < n; ++i) inverse[i * n + i] = 1;
  for (std::size_t pivot = 0; pivot < n; ++pivot) {
    const double scale = 1 / a[pivot * n + pivot];
    for (std::size_t j = 0; j < n; ++j) a[pivot * n + j] *= scale, inverse[pivot * n + j] *= scale;
    for (std::size_t i = 0; i < n; ++i) {
      if (i == pivot) continue;
      const double factor = a[i * n + pivot];
      for (std::size_t j = 0; j < n; ++j) {
        a[i * n + j] -= factor * a[pivot * n + j];
        inverse[i * n + j] -= factor * inverse[pivot * n + j];
      }
    }
  }
  return inverse;
}

}  // namespace

void OutputMoment::Add(std::span<const float> sum, double examples) {
  if (!std::all_of(sum.begin(), sum.end(), [](float x) { return std::isfinite(x); })) return;
  for (std::size_t i = 0; i < moment_.size(); ++i) {
    moment_[i] = kMemory * moment_[i] + (1 - kMemory) * sum[i] / examples;
  }
  weight_ = kMemory * weight_ + (1 - kMemory);
}

std::vector<float> OutputMoment::Whitener() const {
  if (weight_ == 0) return {};
  std::vector<double> a(moment_.size());
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = moment_[i] / weight_;
  double trace = 0;
  for (std::size_t i = 0; i < features_; ++i) trace += a[i * features_ + i];
  const double ridge = kRidge * trace / static_cast<double>(features_) + kTiny;
  for (std::size_t i = 0; i < features_; ++i) a[i * features_ + i] += ridge;
  const std::vector<double> inverse = Inverse(std::move(a), features_);
  return {inverse.begin(), inverse.end()};
}

void OutputMoment::Save(ByteWriter& out) const {
  out.PutVector(moment_);
  out.Put(weight_);
}

void OutputMoment::Load(ByteReader& in) {
  std::vector<double> moment = in.GetVector<double>();
  if (moment.size() != moment_.size()) return in.Fail();
  moment_ = std::move(moment);
  weight_ = in.Get<double>();
}

}  // namespace ndcao
