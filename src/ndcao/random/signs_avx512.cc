// The kernels for AVX-512: eight Philox streams side by side, and 16 of their bits used as they
// are, as the mask that chooses between +scale and −scale.
#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "ndcao/random/philox.h"
#include "ndcao/random/signs_kernels.h"

#define NDCAO_AVX512 [[gnu::target("avx512f,avx512dq,avx512bw")]]
#define NDCAO_AVX512_INLINE [[gnu::target("avx512f,avx512dq,avx512bw"), gnu::always_inline]] inline

namespace ndcao::signs_internal {
namespace {

constexpr std::size_t kLanes = 8;
constexpr std::size_t kBatch = 16;            // positions generated together: two chains of rounds
constexpr std::size_t kMasksPerPosition = 8;  // 16 signs each
constexpr std::size_t kSignsPerMask = 16;

/// The four words of eight counters, each in the lower half of a 64-bit lane; the upper halves
/// hold anything.
struct Lanes {
  __m512i x0, x1, x2, x3;
};

struct RoundKeys {
  std::array<std::uint32_t, 10> k0, k1;
  explicit RoundKeys(std::uint64_t seed) {
    for (std::uint32_t r = 0; r < 10; ++r) {
      k0[r] = static_cast<std::uint32_t>(seed) + r * PHILOX_W32_0;
      k1[r] = static_cast<std::uint32_t>(seed >> 32) + r * PHILOX_W32_1;
    }
  }
};

// One round of Philox4x32 (Random123's _philox4x32round): a 32 × 32 → 64 bit product reads lower
// halves only, so its lower half is the next word as it stands.
NDCAO_AVX512_INLINE Lanes Round(const Lanes& x, std::uint32_t k0, std::uint32_t k1) {
  const __m512i p0 = _mm512_mul_epu32(x.x0, _mm512_set1_epi64(PHILOX_M4x32_0));
  const __m512i p1 = _mm512_mul_epu32(x.x2, _mm512_set1_epi64(PHILOX_M4x32_1));
  constexpr int kXorOfThree = 0x96;
  return {_mm512_ternarylogic_epi64(_mm512_srli_epi64(p1, 32), x.x1, _mm512_set1_epi64(k0),
                                    kXorOfThree),
          p1,
          _mm512_ternarylogic_epi64(_mm512_srli_epi64(p0, 32), x.x3, _mm512_set1_epi64(k1),
                                    kXorOfThree),
          p0};
}

/// Writes the words of each counter one after another: 128 bits a counter.
NDCAO_AVX512_INLINE void Store(const Lanes& x, std::uint16_t* masks) {
  constexpr __mmask16 kUpperHalves = 0xaaaa;
  const __m512i a = _mm512_mask_blend_epi32(kUpperHalves, x.x0, _mm512_slli_epi64(x.x1, 32));
  const __m512i b = _mm512_mask_blend_epi32(kUpperHalves, x.x2, _mm512_slli_epi64(x.x3, 32));
  const __m512i low = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11);
  const __m512i high = _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15);
  _mm512_store_si512(masks, _mm512_permutex2var_epi64(a, low, b));
  _mm512_store_si512(masks + 32, _mm512_permutex2var_epi64(a, high, b));
}

struct alignas(64) Masks {
  std::array<std::uint16_t, kBatch * kMasksPerPosition> of;
};

/// The bits of 16 counters that differ in their first two words.
NDCAO_AVX512_INLINE void Generate(const RoundKeys& keys, const __m512i (&word0)[2],
                                  const __m512i (&word1)[2], std::uint64_t trial, Masks& masks) {
  const __m512i word2 = _mm512_set1_epi64(static_cast<std::uint32_t>(trial));
  const __m512i word3 = _mm512_set1_epi64(static_cast<std::uint32_t>(trial >> 32));
  Lanes a{word0[0], word1[0], word2, word3};
  Lanes b{word0[1], word1[1], word2, word3};
  for (std::size_t r = 0; r < 10; ++r) {
    a = Round(a, keys.k0[r], keys.k1[r]);
    b = Round(b, keys.k0[r], keys.k1[r]);
  }
  Store(a, masks.of.data());
  Store(b, masks.of.data() + kLanes * kMasksPerPosition);
}

NDCAO_AVX512_INLINE std::uint32_t IndexWord(std::uint32_t evaluation) {
  return evaluation << 8 | static_cast<std::uint32_t>(Purpose::kSigns);
}

NDCAO_AVX512_INLINE __m512 Signed(__mmask16 minus, __m512 scale, __m512 negated) {
  return _mm512_mask_blend_ps(minus, scale, negated);
}

NDCAO_AVX512 void Add(const SignKey& key, float scale, std::uint64_t first, const float* base,
                      float* out, std::size_t count) {
  const RoundKeys keys(key.seed);
  const __m512i index = _mm512_set1_epi64(IndexWord(key.evaluation));
  const __m512i steps = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
  const __m512 plus = _mm512_set1_ps(scale);
  const __m512 minus = _mm512_set1_ps(-scale);
  Masks masks;
  for (std::size_t done = 0; done < count;) {
    const auto position = static_cast<long long>((first + done) / kSignsPerPosition);
    const __m512i at = _mm512_add_epi64(_mm512_set1_epi64(position), steps);
    Generate(keys, {at, _mm512_add_epi64(at, _mm512_set1_epi64(kLanes))}, {index, index}, key.trial,
             masks);
    const std::size_t part = std::min(count - done, kBatch * kSignsPerPosition);
    for (std::size_t i = 0; i < part; i += kSignsPerMask) {
      const __m512 move = Signed(masks.of[i / kSignsPerMask], plus, minus);
      _mm512_storeu_ps(out + done + i, _mm512_add_ps(_mm512_loadu_ps(base + done + i), move));
    }
    done += part;
  }
}

/// The 128 sums of a position stay in registers while up to 16 terms are added.
NDCAO_AVX512_INLINE void AddTermsToPosition(const RoundKeys& keys, std::uint64_t trial,
                                            std::uint32_t position, std::span<const Term> terms,
                                            __m512 (&sums)[kMasksPerPosition]) {
  alignas(64) std::array<std::uint64_t, kBatch> index{};
  for (std::size_t t = 0; t < terms.size(); ++t) index[t] = IndexWord(terms[t].evaluation);
  const __m512i at = _mm512_set1_epi64(position);
  Masks masks;
  Generate(keys, {at, at},
           {_mm512_load_si512(index.data()), _mm512_load_si512(index.data() + kLanes)}, trial,
           masks);
  for (std::size_t t = 0; t < terms.size(); ++t) {
    const __m512 plus = _mm512_set1_ps(terms[t].scale);
    const __m512 minus = _mm512_set1_ps(-terms[t].scale);
    for (std::size_t i = 0; i < kMasksPerPosition; ++i) {
      sums[i] = _mm512_add_ps(sums[i], Signed(masks.of[t * kMasksPerPosition + i], plus, minus));
    }
  }
}

NDCAO_AVX512 void AddTerms(const SignKey& key, std::span<const Term> terms, std::uint64_t first,
                           float* sum, std::size_t count) {
  const RoundKeys keys(key.seed);
  for (std::size_t done = 0; done < count; done += kSignsPerPosition) {
    const auto position = static_cast<std::uint32_t>((first + done) / kSignsPerPosition);
    __m512 sums[kMasksPerPosition];
    for (std::size_t i = 0; i < kMasksPerPosition; ++i) {
      sums[i] = _mm512_loadu_ps(sum + done + i * kSignsPerMask);
    }
    for (std::size_t t = 0; t < terms.size(); t += kBatch) {
      AddTermsToPosition(keys, key.trial, position,
                         terms.subspan(t, std::min(kBatch, terms.size() - t)), sums);
    }
    for (std::size_t i = 0; i < kMasksPerPosition; ++i) {
      _mm512_storeu_ps(sum + done + i * kSignsPerMask, sums[i]);
    }
  }
}

}  // namespace

const Kernels kAvx512Kernels = {"avx512", Add, AddTerms};

}  // namespace ndcao::signs_internal

#endif
