#include "ndcao/evaluate/functions/classic.h"

#include <cmath>
#include <numbers>

#include "ndcao/random/sequence.h"

namespace ndcao {

ParameterVector UniformStart(std::uint64_t seed, std::uint64_t size, double radius) {
  RandomSequence random(seed, Purpose::kInit, 0);
  ParameterVector start(size);
  for (float& x : start) x = static_cast<float>(radius * (2 * random.Uniform() - 1));
  return start;
}

double Sphere(std::span<const float> x) {
  double sum = 0;
  for (const double v : x) sum += v * v;
  return sum;
}

double Rosenbrock(std::span<const float> x) {
  double sum = 0;
  for (std::size_t i = 0; i + 1 < x.size(); ++i) {
    const double here = x[i];
    const double off = x[i + 1] - here * here;
    sum += 100 * off * off + (1 - here) * (1 - here);
  }
  return sum;
}

double Rastrigin(std::span<const float> x) {
  double sum = 0;
  for (const double v : x) sum += v * v + 10 * (1 - std::cos(2 * std::numbers::pi * v));
  return sum;
}

double Ackley(std::span<const float> x) {
  double squares = 0;
  double waves = 0;
  for (const double v : x) {
    squares += v * v;
    waves += std::cos(2 * std::numbers::pi * v);
  }
  const double n = static_cast<double>(x.size());
  return 20 * (1 - std::exp(-0.2 * std::sqrt(squares / n))) + std::numbers::e - std::exp(waves / n);
}

}  // namespace ndcao
