// Standard normal numbers from random bits, with the same result on every machine.
//
// The C library's log and cos differ between systems in the last bit, and the fold promises the
// same bits everywhere. So the Box–Muller transform is computed from additions, multiplications,
// divisions and square roots alone, which IEEE 754 rounds in one way.
#pragma once

#include <cmath>
#include <cstdint>

namespace ndcao {

struct NormalPair {
  float first;
  float second;
};

namespace normal_internal {

/// ln(u) for u = (bits + 1) / 2^32: u = 2^e m with m in [√½, √2), ln m = 2 artanh((m−1)/(m+1)).
inline double LogUniform(std::uint32_t bits) {
  const std::uint64_t n = std::uint64_t{bits} + 1;
  int exponent = 63 - __builtin_clzll(n);
  double mantissa = static_cast<double>(n) / static_cast<double>(std::uint64_t{1} << exponent);
  if (mantissa > 1.4142135623730951) mantissa *= 0.5, ++exponent;
  const double z = (mantissa - 1) / (mantissa + 1);
  const double y = z * z;  // below 0.0295: the series needs few terms
  const double series =
      1 + y * (1.0 / 3 + y * (1.0 / 5 + y * (1.0 / 7 + y * (1.0 / 9 + y * (1.0 / 11)))));
  return (exponent - 32) * 0.69314718055994531 + 2 * z * series;
}

/// sin and cos of x in [−π/4, π/4], by their series.
inline double SinSmall(double x) {
  const double y = x * x;
  return x * (1 - y / 6 * (1 - y / 20 * (1 - y / 42 * (1 - y / 72 * (1 - y / 110)))));
}
inline double CosSmall(double x) {
  const double y = x * x;
  return 1 - y / 2 * (1 - y / 12 * (1 - y / 30 * (1 - y / 56 * (1 - y / 90 * (1 - y / 132)))));
}

}  // namespace normal_internal

/// Two independent standard normal numbers (Box and Muller, 1958) from 64 random bits.
inline NormalPair BoxMuller(std::uint32_t radius_bits, std::uint32_t angle_bits) {
  using namespace normal_internal;
  const double radius = std::sqrt(-2 * LogUniform(radius_bits));
  // The angle: a quadrant (2 bits), and an offset in [−π/4, π/4) from its middle (30 bits).
  const std::uint32_t quadrant = angle_bits >> 30;
  const double x =
      (static_cast<double>(angle_bits & 0x3fffffffu) * 0x1p-30 - 0.5) * 1.5707963267948966;
  const double s = SinSmall(x);
  const double c = CosSmall(x);
  const double cosine = quadrant == 0 ? c : quadrant == 1 ? -s : quadrant == 2 ? -c : s;
  const double sine = quadrant == 0 ? s : quadrant == 1 ? c : quadrant == 2 ? -s : -c;
  return {static_cast<float>(radius * cosine), static_cast<float>(radius * sine)};
}

}  // namespace ndcao
