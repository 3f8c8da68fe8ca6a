#include "ndcao/activation/input_factor.h"

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <utility>

namespace ndcao {
namespace {

// Measured in docs/results.md.
constexpr float kRidge = 0.1f;
constexpr double kMemory = 0.8;

}  // namespace

bool InputFactor::MeasuredAt(std::uint64_t step) {
  return step < kFirstSteps || step % kInterval == 0;
}

void InputFactor::Add(std::span<const InputSum* const> slots) {
  double rows = 0;
  std::vector<float> sum(width_ * width_, 0.0f);
  for (const InputSum* slot : slots) {
    if (slot->values.size() != sum.size()) return;
    rows += slot->rows;
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += slot->values[i];
  }
  const bool finite = std::all_of(sum.begin(), sum.end(), [](float x) { return std::isfinite(x); });
  if (!(rows > 0) || !finite) return;
  moment_.resize(sum.size(), 0.0f);
  const auto share = static_cast<float>((1 - kMemory) / rows);
  for (std::size_t i = 0; i < sum.size(); ++i) {
    moment_[i] = static_cast<float>(kMemory) * moment_[i] + share * sum[i];
  }
  weight_ = kMemory * weight_ + (1 - kMemory);
  Invert();
}

void InputFactor::Invert() {
  using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const auto n = static_cast<Eigen::Index>(width_);
  Matrix a = Eigen::Map<const Matrix>(moment_.data(), n, n) * static_cast<float>(1 / weight_);
  const float size = a.diagonal().mean();
  if (!(size > 0)) return;
  a /= size;
  a.diagonal().array() += kRidge;
  const Eigen::LLT<Matrix> factors(a);
  if (factors.info() != Eigen::Success) return;
  inverse_.resize(moment_.size());
  Eigen::Map<Matrix>(inverse_.data(), n, n) = factors.solve(Matrix::Identity(n, n));
}

void InputFactor::Save(ByteWriter& out) const {
  out.PutVector(moment_);
  out.Put(weight_);
}

void InputFactor::Load(ByteReader& in) {
  std::vector<float> moment = in.GetVector<float>();
  if (!moment.empty() && moment.size() != width_ * width_) return in.Fail();
  moment_ = std::move(moment);
  weight_ = in.Get<double>();
  if (!moment_.empty()) Invert();
}

}  // namespace ndcao
