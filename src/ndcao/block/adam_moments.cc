#include "ndcao/block/adam_moments.h"

#include <cmath>

#include "ndcao/base/result.h"

namespace ndcao {
namespace {

constexpr double kFirst = 0.9;
constexpr double kSecond = 0.999;
constexpr float kEpsilon = 1e-8f;

}  // namespace

void AdamMoments::Advance() {
  first_decay_ *= kFirst;
  second_decay_ *= kSecond;
}

void AdamMoments::Step(double rate, std::uint64_t packed, std::span<const float> gradient,
                       std::span<float> target) {
  NDCAO_CHECK(gradient.size() == target.size() && packed + gradient.size() <= first_.size());
  const float keep1 = kFirst, take1 = 1 - kFirst, keep2 = kSecond, take2 = 1 - kSecond;
  const auto scale = static_cast<float>(rate / (1 - first_decay_));
  const auto correction = static_cast<float>(1 / (1 - second_decay_));
  float* first = first_.data() + packed;
  float* second = second_.data() + packed;
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    first[i] = keep1 * first[i] + take1 * gradient[i];
    second[i] = keep2 * second[i] + take2 * gradient[i] * gradient[i];
    target[i] -= scale * first[i] / (std::sqrt(second[i] * correction) + kEpsilon);
  }
}

void AdamMoments::Save(ByteWriter& out) const {
  out.PutAll(std::span<const float>(first_));
  out.PutAll(std::span<const float>(second_));
  out.Put(first_decay_);
  out.Put(second_decay_);
}

void AdamMoments::Load(ByteReader& in) {
  in.GetAll(std::span<float>(first_));
  in.GetAll(std::span<float>(second_));
  first_decay_ = in.Get<double>();
  second_decay_ = in.Get<double>();
}

}  // namespace ndcao
