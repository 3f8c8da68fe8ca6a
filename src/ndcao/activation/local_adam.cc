#include "ndcao/activation/local_adam.h"

#include <algorithm>
#include <cmath>

#include "ndcao/base/widest_vectors.h"

namespace ndcao {
namespace {

constexpr double kFirstMemory = 0.9;
constexpr double kSecondMemory = 0.999;
constexpr float kTiny = 1e-8f;
constexpr float kLargest = 1e18f;  // its square is still a float

void Put(ByteWriter& out, const ParameterVector& values) {
  out.Put(static_cast<std::uint64_t>(values.size()));
  out.PutAll(std::span<const float>(values));
}

void Get(ByteReader& in, ParameterVector& values) {
  if (in.Get<std::uint64_t>() != values.size()) return in.Fail();
  in.GetAll(std::span<float>(values));
}

/// Everything that Update does for one range; the pointers do not overlap.
struct AdamRange {
  std::uint64_t length;
  float* part;     // of the gradient; 0 afterwards
  float* another;  // to be added to it, and 0 afterwards; or null
  float* first;
  float* second;
  float* theta;
  float scale;
  float move;
  float widen;
};

template <bool kTwo>
[[gnu::always_inline]] inline void MoveParts(const AdamRange& range) {
  const auto b1 = static_cast<float>(kFirstMemory);
  const auto b2 = static_cast<float>(kSecondMemory);
  float* __restrict a = range.part;
  float* __restrict b = range.another;
  float* __restrict m = range.first;
  float* __restrict v = range.second;
  float* __restrict x = range.theta;
  const float scale = range.scale;
  const float move = range.move;
  const float widen = range.widen;
  for (std::uint64_t i = 0; i < range.length; ++i) {
    const float raw = kTwo ? a[i] + b[i] : a[i];
    a[i] = 0;
    if constexpr (kTwo) b[i] = 0;
    const float scaled = raw * scale;
    const float g = std::fabs(scaled) < kLargest ? scaled : 0.0f;
    m[i] = b1 * m[i] + (1 - b1) * g;
    v[i] = b2 * v[i] + (1 - b2) * (g * g);
    x[i] -= move * m[i] / (std::sqrt(v[i]) * widen + kTiny);
  }
}

[[gnu::always_inline]] inline void MoveRange(const AdamRange& range) {
  range.another != nullptr ? MoveParts<true>(range) : MoveParts<false>(range);
}

}  // namespace

LocalAdam::Factors LocalAdam::FactorsOf(double rate, std::uint64_t step) {
  const auto t = static_cast<double>(step);
  return {static_cast<float>(rate / (1 - std::pow(kFirstMemory, t))),
          static_cast<float>(1 / std::sqrt(1 - std::pow(kSecondMemory, t)))};
}

void LocalAdam::Update(std::uint64_t begin, std::uint64_t length, std::span<float* const> parts,
                       double scale, double rate, std::uint64_t step, std::span<float> theta) {
  const auto [move, widen] = FactorsOf(rate, step);
  float* sum = parts.front() + begin;
  for (std::size_t p = 1; p + 1 < parts.size(); ++p) {
    float* more = parts[p] + begin;
    for (std::uint64_t i = 0; i < length; ++i) sum[i] += more[i];
    std::fill_n(more, length, 0.0f);
  }
  OnWidest<MoveRange>(AdamRange{length, sum, parts.size() > 1 ? parts.back() + begin : nullptr,
                                first_.data() + begin, second_.data() + begin, theta.data() + begin,
                                static_cast<float>(scale), move, widen});
}

void LocalAdam::Extrapolate(std::uint64_t begin, std::uint64_t length, double rate,
                            std::uint64_t step, double times, std::span<const float> theta,
                            std::span<float> ahead) const {
  if (step == 0) return;
  const auto [move, widen] = FactorsOf(rate * times, step);
  for (std::uint64_t i = begin; i < begin + length; ++i) {
    ahead[i] = theta[i] - move * first_[i] / (std::sqrt(second_[i]) * widen + kTiny);
  }
}

void LocalAdam::Save(ByteWriter& out) const {
  Put(out, first_);
  Put(out, second_);
}

void LocalAdam::Load(ByteReader& in) {
  Get(in, first_);
  Get(in, second_);
}

}  // namespace ndcao
