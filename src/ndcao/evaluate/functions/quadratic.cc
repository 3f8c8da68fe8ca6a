#include "ndcao/evaluate/functions/quadratic.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "ndcao/random/sequence.h"

namespace ndcao {
namespace {

// Streams of a quadratic (their `index`).
constexpr std::uint32_t kMinimumStream = 0;
constexpr std::uint32_t kMirrorStream = 1;
constexpr std::uint32_t kNoiseStream = 2;

constexpr std::uint64_t kSeed = 20220505;  // the functions are the same in every run

}  // namespace

Quadratic::Quadratic(std::vector<double> eigenvalues, double noise)
    : eigenvalues_(std::move(eigenvalues)),
      noise_(noise),
      layout_(Layout::Flat(eigenvalues_.size())) {
  const std::uint64_t dimension = eigenvalues_.size();
  RandomSequence minimum(kSeed, Purpose::kTest, dimension, kMinimumStream);
  RandomSequence mirror(kSeed, Purpose::kTest, dimension, kMirrorStream);
  double square = 0;
  for (const double eigenvalue : eigenvalues_) {
    trace_ += eigenvalue;
    greatest_ = std::max(greatest_, eigenvalue);
    minimum_.push_back(minimum.Normal());
    mirror_.push_back(mirror.Normal());
    square += mirror_.back() * mirror_.back();
  }
  for (double& v : mirror_) v /= std::sqrt(square);
}

std::vector<double> Quadratic::LogSpaced(std::uint64_t dimension, double condition) {
  std::vector<double> eigenvalues(dimension, 1.0);
  for (std::uint64_t i = 1; i < dimension; ++i) {
    eigenvalues[i] =
        std::pow(condition, -static_cast<double>(i) / static_cast<double>(dimension - 1));
  }
  return eigenvalues;
}

ParameterVector Quadratic::Start(std::uint64_t seed) const {
  RandomSequence random(seed, Purpose::kInit, 0);
  ParameterVector start(minimum_.size());
  for (std::size_t i = 0; i < start.size(); ++i) {
    start[i] = static_cast<float>(minimum_[i] + (random.Below(2) == 0 ? 1 : -1));
  }
  return start;
}

double Quadratic::Value(std::span<const float> x) const {
  std::vector<double> offset(x.begin(), x.end());
  for (std::size_t i = 0; i < offset.size(); ++i) offset[i] -= minimum_[i];
  return Form(std::move(offset));
}

double Quadratic::Measure(TrialId trial, std::span<const float> x) const {
  if (noise_ == 0) return Value(x);
  RandomSequence random(kSeed, Purpose::kTest, trial.value, kNoiseStream);
  std::vector<double> offset(x.begin(), x.end());
  for (std::size_t i = 0; i < offset.size(); ++i) {
    offset[i] -= minimum_[i] + noise_ * random.Normal();
  }
  return Form(std::move(offset));
}

std::vector<double> Quadratic::Gradient(std::span<const float> x) const {
  std::vector<double> offset(x.begin(), x.end());
  for (std::size_t i = 0; i < offset.size(); ++i) offset[i] -= minimum_[i];
  return HessianTimes(offset);
}

std::vector<double> Quadratic::HessianTimes(std::span<const double> vector) const {
  std::vector<double> result = Reflect({vector.begin(), vector.end()});
  for (std::size_t i = 0; i < result.size(); ++i) result[i] *= eigenvalues_[i];
  return Reflect(std::move(result));
}

std::vector<double> Quadratic::Reflect(std::vector<double> vector) const {
  double dot = 0;
  for (std::size_t i = 0; i < vector.size(); ++i) dot += mirror_[i] * vector[i];
  for (std::size_t i = 0; i < vector.size(); ++i) vector[i] -= 2 * dot * mirror_[i];
  return vector;
}

double Quadratic::Form(std::vector<double> offset) const {
  const std::vector<double> axes = Reflect(std::move(offset));
  double sum = 0;
  for (std::size_t i = 0; i < axes.size(); ++i) sum += eigenvalues_[i] * axes[i] * axes[i];
  return 0.5 * sum;
}

}  // namespace ndcao
