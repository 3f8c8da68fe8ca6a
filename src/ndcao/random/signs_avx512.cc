// The kernel for AVX-512 that adds one evaluation's signs: eight Philox streams side by side, and
// 16 of their bits used as they are, as the mask that chooses between +scale and −scale.
#if defined(__x86_64__)

#include <algorithm>

#include "ndcao/random/philox_avx512.h"
#include "ndcao/random/signs_kernels.h"

namespace ndcao::signs_internal {
namespace {

constexpr std::size_t kBatch = 2 * kPhiloxLanes;  // positions generated together: two chains
constexpr std::size_t kSignsPerMask = 16;
constexpr std::size_t kMasksPerPosition = kSignsPerPosition / kSignsPerMask;

struct alignas(64) Masks {
  std::array<std::uint16_t, kBatch * kMasksPerPosition> of;
};

/// Writes the words of each counter one after another: 128 bits a counter.
NDCAO_AVX512_INLINE void Store(const PhiloxPairs& x, std::uint16_t* masks) {
  const __m512i a = _mm512_ror_epi64(x.words01, 32);
  const __m512i b = _mm512_ror_epi64(x.words23, 32);
  const __m512i low = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11);
  const __m512i high = _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15);
  _mm512_store_si512(masks, _mm512_permutex2var_epi64(a, low, b));
  _mm512_store_si512(masks + 32, _mm512_permutex2var_epi64(a, high, b));
}

/// The bits of 16 positions from `position` on.
NDCAO_AVX512_INLINE void Generate(const PhiloxKeys& keys, const SignKey& key,
                                  std::uint64_t position, Masks& masks) {
  const __m512i at = _mm512_add_epi64(_mm512_set1_epi64(static_cast<long long>(position)),
                                      _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7));
  const __m512i index = _mm512_set1_epi64(IndexWord(key.evaluation, Purpose::kSigns));
  const __m512i word2 = _mm512_set1_epi64(static_cast<std::uint32_t>(key.trial));
  const __m512i word3 = _mm512_set1_epi64(static_cast<std::uint32_t>(key.trial >> 32));
  PhiloxLanes a{at, index, word2, word3};
  PhiloxLanes b{_mm512_add_epi64(at, _mm512_set1_epi64(kPhiloxLanes)), index, word2, word3};
  constexpr std::size_t kLast = kPhiloxRounds - 1;
  for (std::size_t r = 0; r < kLast; ++r) {
    a = Round(a, keys.k0[r], keys.k1[r]);
    b = Round(b, keys.k0[r], keys.k1[r]);
  }
  Store(LastRound(a, keys.k0[kLast], keys.k1[kLast]), masks.of.data());
  Store(LastRound(b, keys.k0[kLast], keys.k1[kLast]),
        masks.of.data() + kPhiloxLanes * kMasksPerPosition);
}

NDCAO_AVX512 void Add(const SignKey& key, float scale, std::uint64_t first, const float* base,
                      float* out, std::size_t count) {
  const PhiloxKeys keys(key.seed);
  const __m512 plus = _mm512_set1_ps(scale);
  const __m512 minus = _mm512_set1_ps(-scale);
  Masks masks;
  for (std::size_t done = 0; done < count;) {
    Generate(keys, key, (first + done) / kSignsPerPosition, masks);
    const std::size_t part = std::min(count - done, kBatch * kSignsPerPosition);
    for (std::size_t i = 0; i < part; i += kSignsPerMask) {
      const __m512 move = _mm512_mask_blend_ps(masks.of[i / kSignsPerMask], plus, minus);
      _mm512_storeu_ps(out + done + i, _mm512_add_ps(_mm512_loadu_ps(base + done + i), move));
    }
    done += part;
  }
}

}  // namespace

const Kernels kAvx512Kernels = {"avx512", Add, AddTermsAvx512};

}  // namespace ndcao::signs_internal

#endif
