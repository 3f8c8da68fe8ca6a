// Philox4x32-10 (philox.h) for eight counters side by side. Internal to random/.
#pragma once

#include <immintrin.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "ndcao/random/philox.h"

#define NDCAO_AVX512 [[gnu::target("avx512f,avx512dq,avx512bw")]]
#define NDCAO_AVX512_INLINE [[gnu::target("avx512f,avx512dq,avx512bw"), gnu::always_inline]] inline

namespace ndcao::signs_internal {

inline constexpr std::size_t kPhiloxLanes = 8;
inline constexpr std::size_t kPhiloxRounds = 10;

/// The four words of eight counters, each in the lower half of a 64-bit lane; the upper halves
/// hold anything.
struct PhiloxLanes {
  __m512i x0, x1, x2, x3;
};

struct PhiloxKeys {
  std::array<std::uint32_t, kPhiloxRounds> k0, k1;
  explicit PhiloxKeys(std::uint64_t seed) {
    for (std::uint32_t r = 0; r < kPhiloxRounds; ++r) {
      k0[r] = static_cast<std::uint32_t>(seed) + r * PHILOX_W32_0;
      k1[r] = static_cast<std::uint32_t>(seed >> 32) + r * PHILOX_W32_1;
    }
  }
};

NDCAO_AVX512_INLINE __m512i XorOfThree(__m512i a, __m512i b, __m512i c) {
  return _mm512_ternarylogic_epi64(a, b, c, 0x96);
}

NDCAO_AVX512_INLINE __m512i UpperHalf(__m512i x) { return _mm512_srli_epi64(x, 32); }

/// 64-bit products of the lower halves. A product's own lower half is the next word as it stands.
NDCAO_AVX512_INLINE __m512i TimesM0(__m512i x) {
  return _mm512_mul_epu32(x, _mm512_set1_epi64(PHILOX_M4x32_0));
}
NDCAO_AVX512_INLINE __m512i TimesM1(__m512i x) {
  return _mm512_mul_epu32(x, _mm512_set1_epi64(PHILOX_M4x32_1));
}

/// One round (Random123's _philox4x32round).
NDCAO_AVX512_INLINE PhiloxLanes Round(const PhiloxLanes& x, std::uint32_t k0, std::uint32_t k1) {
  const __m512i p0 = TimesM0(x.x0);
  const __m512i p1 = TimesM1(x.x2);
  return {XorOfThree(UpperHalf(p1), x.x1, _mm512_set1_epi64(k0)), p1,
          XorOfThree(UpperHalf(p0), x.x3, _mm512_set1_epi64(k1)), p0};
}

/// Words 0 (upper halves) and 1 (lower halves) of eight counters; words 2 and 3.
struct PhiloxPairs {
  __m512i words01, words23;
};

/// The last round. The products' upper halves stay where they are.
NDCAO_AVX512_INLINE PhiloxPairs LastRound(const PhiloxLanes& x, std::uint32_t k0,
                                          std::uint32_t k1) {
  const __m512i upper_k0 = _mm512_set1_epi64(static_cast<long long>(std::uint64_t{k0} << 32));
  const __m512i upper_k1 = _mm512_set1_epi64(static_cast<long long>(std::uint64_t{k1} << 32));
  return {XorOfThree(TimesM1(x.x2), _mm512_slli_epi64(x.x1, 32), upper_k0),
          XorOfThree(TimesM0(x.x0), _mm512_slli_epi64(x.x3, 32), upper_k1)};
}

}  // namespace ndcao::signs_internal
