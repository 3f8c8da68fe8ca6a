// Standard normal numbers from random bits, with the same result on every machine.
//
// The C library's log and cos differ between systems in the last bit, and the fold promises the
// same bits everywhere. So the Box–Muller transform is computed from additions, multiplications,
// divisions and square roots alone, which IEEE 754 rounds in one way.
#pragma once

#include <bit>
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
  // bits + 1 in [1, 2^32], exactly: by a signed number, which every vector unit converts.
  const double n =
      static_cast<double>(std::bit_cast<std::int32_t>(bits ^ 0x80000000u)) + 2147483649.0;
  const auto n_bits = std::bit_cast<std::int64_t>(n);
  const auto unit = std::bit_cast<double>((n_bits & 0xfffffffffffff) | 0x3ff0000000000000);
  // 52 bits of mantissa below it, and 2^52 + e + 1023 − 2^52: the exponent, as a double.
  const double e = std::bit_cast<double>((n_bits >> 52) | 0x4330000000000000) - 0x1p52 - 1023;
  const bool high = unit > 1.4142135623730951;
  const double mantissa = high ? unit * 0.5 : unit;
  const double exponent = high ? e + 1 : e;
  const double z = (mantissa - 1) / (mantissa + 1);
  const double y = z * z;  // below 0.0295: the series needs few terms
  const double series =
      1 + y * (1.0 / 3 + y * (1.0 / 5 + y * (1.0 / 7 + y * (1.0 / 9 + y * (1.0 / 11)))));
  return (exponent - 32) * 0.69314718055994531 + 2 * z * series;
}

/// sin and cos of x in [−π/4, π/4], by their series.
inline double SinSmall(double x) {
  const double y = x * x;
  return x *
         (1 - y * (1.0 / 6) *
                  (1 - y * (1.0 / 20) *
                           (1 - y * (1.0 / 42) * (1 - y * (1.0 / 72) * (1 - y * (1.0 / 110))))));
}
inline double CosSmall(double x) {
  const double y = x * x;
  return 1 - y * (1.0 / 2) *
                 (1 - y * (1.0 / 12) *
                          (1 - y * (1.0 / 30) *
                                   (1 - y * (1.0 / 56) *
                                            (1 - y * (1.0 / 90) * (1 - y * (1.0 / 132))))));
}

}  // namespace normal_internal

/// Two independent standard normal numbers (Box and Muller, 1958) from 64 random bits.
inline NormalPair BoxMuller(std::uint32_t radius_bits, std::uint32_t angle_bits) {
  using namespace normal_internal;
  const double radius = std::sqrt(-2 * LogUniform(radius_bits));
  // The angle: a quadrant (2 bits), and an offset in [−π/4, π/4) from its middle (30 bits).
  const double x =
      (static_cast<double>(static_cast<std::int32_t>(angle_bits & 0x3fffffffu)) * 0x1p-30 - 0.5) *
      1.5707963267948966;
  const double s = SinSmall(x);
  const double c = CosSmall(x);
  const bool turned = (angle_bits & 0x40000000u) != 0;
  const bool back = (angle_bits & 0x80000000u) != 0;
  const double cosine = radius * (turned ? s : c);
  const double sine = radius * (turned ? c : s);
  return {static_cast<float>(turned != back ? -cosine : cosine),
          static_cast<float>(back ? -sine : sine)};
}

}  // namespace ndcao
