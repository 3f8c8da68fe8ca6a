#include "ndcao/activation/local_adam.h"

#include <cmath>

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

}  // namespace

LocalAdam::Factors LocalAdam::FactorsOf(double rate, std::uint64_t step) {
  const auto t = static_cast<double>(step);
  return {static_cast<float>(rate / (1 - std::pow(kFirstMemory, t))),
          static_cast<float>(1 / std::sqrt(1 - std::pow(kSecondMemory, t)))};
}

void LocalAdam::Update(std::uint64_t begin, std::uint64_t length, std::span<const float> update,
                       std::uint64_t at, double scale, double rate, std::uint64_t step,
                       std::span<float> theta) {
  const auto b1 = static_cast<float>(kFirstMemory);
  const auto b2 = static_cast<float>(kSecondMemory);
  const auto [move, widen] = FactorsOf(rate, step);
  const auto factor = static_cast<float>(scale);
  float* m = first_.data() + begin;
  float* v = second_.data() + begin;
  float* x = theta.data() + begin;
  const float* raw = update.data() + at;
  for (std::uint64_t i = 0; i < length; ++i) {
    const float scaled = raw[i] * factor;
    const float g = std::fabs(scaled) < kLargest ? scaled : 0.0f;
    m[i] = b1 * m[i] + (1 - b1) * g;
    v[i] = b2 * v[i] + (1 - b2) * (g * g);
    x[i] -= move * m[i] / (std::sqrt(v[i]) * widen + kTiny);
  }
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
