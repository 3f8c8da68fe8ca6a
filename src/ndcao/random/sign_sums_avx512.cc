// The kernel for AVX-512 that sums the signs of many evaluations, by the method of the four
// Russians: the 16 values of ±w0 ±w1 ±w2 ±w3 are one register, a table; four evaluations' bits for
// a parameter, brought side by side, are an index into it. So 16 parameters and four evaluations
// cost a shift, a permutation and an addition.
//
// A batch is eight positions, 1024 parameters. Its sums lie in the order in which bits are
// generated until all terms are in, and are then brought into the parameters' order at once.
#if defined(__x86_64__)

#include <algorithm>
#include <vector>

#include "ndcao/random/philox_avx512.h"
#include "ndcao/random/signs_kernels.h"

namespace ndcao::signs_internal {
namespace {

constexpr std::size_t kTogether = 4;  // evaluations of one table
constexpr std::size_t kNibbles = 8;   // of a word
constexpr std::size_t kLanes = 16;    // words of a register
constexpr std::size_t kBatch = kPhiloxLanes * kSignsPerPosition;

/// Four terms, ready for use.
struct alignas(64) Quad {
  std::array<std::int32_t, kLanes> table;  ///< [i]: Σ_e weight e, minus if bit e of i is set.
  /// Of the index word, what reaches words 2 and 3 after two rounds: `Begin` below.
  std::array<std::uint64_t, kTogether> x2, x3;
};

/// What the counters of a batch come to in three rounds, as far as all evaluations share it.
struct Shared {
  __m512i x2_after2;  ///< Lacks the evaluation's part.
  __m512i x0_after3;  ///< Lacks the upper half of M1 times word 2.
  __m512i x2_after3;  ///< Lacks the evaluation's part.
  __m512i x3_after3;
};

/// [w][n][b]: lane l sums bit 4n + b of word 2w + 1 − l mod 2 of position l / 2.
struct alignas(64) BatchSums {
  __m512i of[2][kNibbles][kTogether];
};

NDCAO_AVX512_INLINE __m512i Word(std::uint32_t word) { return _mm512_set1_epi64(word); }

NDCAO_AVX512_INLINE void MakeTable(std::span<const Term> terms, Quad& quad) {
  constexpr std::array<__mmask16, kTogether> kBitIsSet = {0xaaaa, 0xcccc, 0xf0f0, 0xff00};
  __m512i table = _mm512_setzero_si512();
  for (std::size_t e = 0; e < terms.size(); ++e) {
    const __m512i weight = _mm512_set1_epi32(terms[e].weight);
    table = _mm512_mask_sub_epi32(_mm512_add_epi32(table, weight), kBitIsSet[e], table, weight);
  }
  _mm512_store_si512(quad.table.data(), table);
}

/// An even number of them.
NDCAO_AVX512 std::vector<Quad> MakeQuads(const PhiloxKeys& keys, std::uint64_t trial,
                                         std::span<const Term> terms) {
  std::vector<Quad> quads((terms.size() + 2 * kTogether - 1) / (2 * kTogether) * 2, Quad{});
  const std::uint64_t p1 = (trial & 0xffffffffu) * PHILOX_M4x32_1;
  for (std::size_t q = 0; q * kTogether < terms.size(); ++q) {
    const auto four =
        terms.subspan(q * kTogether, std::min(kTogether, terms.size() - q * kTogether));
    MakeTable(four, quads[q]);
    for (std::size_t e = 0; e < four.size(); ++e) {
      const std::uint32_t x0_after1 = static_cast<std::uint32_t>(p1 >> 32) ^
                                      IndexWord(four[e].evaluation, Purpose::kSigns) ^ keys.k0[0];
      const std::uint64_t p0 = std::uint64_t{x0_after1} * PHILOX_M4x32_0;
      quads[q].x2[e] = (p0 >> 32) ^ keys.k1[1];
      quads[q].x3[e] = p0 & 0xffffffffu;
    }
  }
  return quads;
}

// The counter is (position, index of the evaluation, trial, trial). In the first two rounds no
// word but one depends on the position and on the evaluation both, and that one is an xor of two
// that do not.
NDCAO_AVX512_INLINE Shared Share(const PhiloxKeys& keys, std::uint64_t trial,
                                 std::uint64_t position) {
  const __m512i at = _mm512_add_epi64(_mm512_set1_epi64(static_cast<long long>(position)),
                                      _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7));
  const auto low = static_cast<std::uint32_t>(trial);
  const auto high = static_cast<std::uint32_t>(trial >> 32);
  const __m512i x1_after1 = Word(low * PHILOX_M4x32_1);
  const __m512i x3_after1 = TimesM0(at);
  const __m512i x2_after1 = XorOfThree(UpperHalf(x3_after1), Word(high), Word(keys.k1[0]));
  const __m512i x1_after2 = TimesM1(x2_after1);
  const __m512i x0_after2 = XorOfThree(UpperHalf(x1_after2), x1_after1, Word(keys.k0[1]));
  const __m512i x3_after3 = TimesM0(x0_after2);
  return {x3_after1, _mm512_xor_si512(x1_after2, Word(keys.k0[2])),
          _mm512_xor_si512(UpperHalf(x3_after3), Word(keys.k1[2])), x3_after3};
}

/// An evaluation's words after three rounds.
NDCAO_AVX512_INLINE PhiloxLanes Begin(const Shared& shared, std::uint64_t x2, std::uint64_t x3) {
  const __m512i x2_after2 =
      _mm512_xor_si512(shared.x2_after2, _mm512_set1_epi64(static_cast<long long>(x2)));
  const __m512i x1_after3 = TimesM1(x2_after2);
  return {_mm512_xor_si512(UpperHalf(x1_after3), shared.x0_after3), x1_after3,
          _mm512_xor_si512(shared.x2_after3, _mm512_set1_epi64(static_cast<long long>(x3))),
          shared.x3_after3};
}

/// Bits of `a` where `mask` has them, else of `b`.
NDCAO_AVX512_INLINE __m512i Select(std::uint32_t mask, __m512i a, __m512i b) {
  return _mm512_ternarylogic_epi32(_mm512_set1_epi32(static_cast<int>(mask)), a, b, 0xca);
}

/// Of each pair of `kShift`-bit groups, a keeps the lower ones and gets b's as its upper ones; b
/// keeps the upper ones and gets a's as its lower ones. `mask` has the lower ones.
template <unsigned kShift>
NDCAO_AVX512_INLINE void ExchangeBits(std::uint32_t mask, __m512i& a, __m512i& b) {
  const __m512i lower = Select(mask, a, _mm512_slli_epi32(b, kShift));
  b = Select(mask, _mm512_srli_epi32(a, kShift), b);
  a = lower;
}

/// Bit 4n + b of x[e] becomes bit 4n + e of x[b].
NDCAO_AVX512_INLINE void TransposeBits(__m512i (&x)[kTogether]) {
  ExchangeBits<1>(0x55555555u, x[0], x[1]);
  ExchangeBits<1>(0x55555555u, x[2], x[3]);
  ExchangeBits<2>(0x33333333u, x[0], x[2]);
  ExchangeBits<2>(0x33333333u, x[1], x[3]);
}

/// The words of four evaluations, in the order of their use as indices.
struct QuadWords {
  __m512i of[2][kTogether];
};

NDCAO_AVX512_INLINE QuadWords Generate(const PhiloxKeys& keys, const Shared& shared,
                                       const Quad& quad) {
  PhiloxLanes x[kTogether];
  for (std::size_t e = 0; e < kTogether; ++e) x[e] = Begin(shared, quad.x2[e], quad.x3[e]);
  constexpr std::size_t kLast = kPhiloxRounds - 1;
  for (std::size_t r = 3; r < kLast; ++r) {
    for (PhiloxLanes& lanes : x) lanes = Round(lanes, keys.k0[r], keys.k1[r]);
  }
  QuadWords words;
  for (std::size_t e = 0; e < kTogether; ++e) {
    const PhiloxPairs pairs = LastRound(x[e], keys.k0[kLast], keys.k1[kLast]);
    words.of[0][e] = pairs.words01;
    words.of[1][e] = pairs.words23;
  }
  for (auto& four : words.of) TransposeBits(four);
  return words;
}

NDCAO_AVX512_INLINE __m512i Look(__m512i table, __m512i word, unsigned nibble) {
  // A permutation reads the lowest four bits of each index.
  return _mm512_permutexvar_epi32(_mm512_srli_epi32(word, 4 * nibble), table);
}

/// Two quads together: the sums are read and written once for both.
NDCAO_AVX512_INLINE void AddQuads(const PhiloxKeys& keys, const Shared& shared, const Quad& quad0,
                                  const Quad& quad1, BatchSums& sums) {
  const QuadWords words0 = Generate(keys, shared, quad0);
  const QuadWords words1 = Generate(keys, shared, quad1);
  const __m512i table0 = _mm512_load_si512(quad0.table.data());
  const __m512i table1 = _mm512_load_si512(quad1.table.data());
  for (std::size_t w = 0; w < 2; ++w) {
    for (std::size_t b = 0; b < kTogether; ++b) {
      for (unsigned n = 0; n < kNibbles; ++n) {
        __m512i& sum = sums.of[w][n][b];
        sum = _mm512_add_epi32(sum, _mm512_add_epi32(Look(table0, words0.of[w][b], n),
                                                     Look(table1, words1.of[w][b], n)));
      }
    }
  }
}

/// Of each quarter of the registers: number j of x[i] becomes number i of x[j].
NDCAO_AVX512_INLINE void TransposeNumbers(__m512 (&x)[4]) {
  const __m512d a = _mm512_castps_pd(_mm512_unpacklo_ps(x[0], x[1]));
  const __m512d b = _mm512_castps_pd(_mm512_unpackhi_ps(x[0], x[1]));
  const __m512d c = _mm512_castps_pd(_mm512_unpacklo_ps(x[2], x[3]));
  const __m512d d = _mm512_castps_pd(_mm512_unpackhi_ps(x[2], x[3]));
  x[0] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, c));
  x[1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, c));
  x[2] = _mm512_castpd_ps(_mm512_unpacklo_pd(b, d));
  x[3] = _mm512_castpd_ps(_mm512_unpackhi_pd(b, d));
}

/// Quarter j of the i-th register becomes quarter i of the j-th.
NDCAO_AVX512_INLINE void TransposeQuarters(__m512& x0, __m512& x1, __m512& x2, __m512& x3) {
  const __m512 a = _mm512_shuffle_f32x4(x0, x1, 0x44);
  const __m512 b = _mm512_shuffle_f32x4(x2, x3, 0x44);
  const __m512 c = _mm512_shuffle_f32x4(x0, x1, 0xee);
  const __m512 d = _mm512_shuffle_f32x4(x2, x3, 0xee);
  x0 = _mm512_shuffle_f32x4(a, b, 0x88);
  x1 = _mm512_shuffle_f32x4(a, b, 0xdd);
  x2 = _mm512_shuffle_f32x4(c, d, 0x88);
  x3 = _mm512_shuffle_f32x4(c, d, 0xdd);
}

/// out[i] += unit · sum i, for the first positions of a batch.
NDCAO_AVX512_INLINE void AddBatch(const BatchSums& sums, float unit, std::size_t positions,
                                  float* out) {
  for (std::size_t w = 0; w < 2; ++w) {
    for (std::size_t half = 0; half < 2; ++half) {
      __m512 x[4][4];
      for (std::size_t n = 0; n < 4; ++n) {
        for (std::size_t b = 0; b < kTogether; ++b) {
          x[n][b] =
              _mm512_mul_ps(_mm512_cvtepi32_ps(sums.of[w][4 * half + n][b]), _mm512_set1_ps(unit));
        }
        TransposeNumbers(x[n]);
      }
      for (std::size_t j = 0; j < 4; ++j) TransposeQuarters(x[0][j], x[1][j], x[2][j], x[3][j]);
      // Now x[q][j] is lane 4q + j: 16 parameters in a row.
      for (std::size_t lane = 0; lane < 2 * positions; ++lane) {
        const std::size_t word = 2 * w + 1 - lane % 2;
        float* at = out + lane / 2 * kSignsPerPosition + word * 32 + half * kLanes;
        _mm512_storeu_ps(at, _mm512_add_ps(_mm512_loadu_ps(at), x[lane / 4][lane % 4]));
      }
    }
  }
}

}  // namespace

NDCAO_AVX512 void AddTermsAvx512(const SignKey& key, std::span<const Term> terms, float unit,
                                 std::uint64_t first, float* sum, std::size_t count) {
  const PhiloxKeys keys(key.seed);
  const std::vector<Quad> quads = MakeQuads(keys, key.trial, terms);
  for (std::size_t done = 0; done < count; done += kBatch) {
    const Shared shared = Share(keys, key.trial, (first + done) / kSignsPerPosition);
    BatchSums sums{};
    for (std::size_t q = 0; q < quads.size(); q += 2) {
      AddQuads(keys, shared, quads[q], quads[q + 1], sums);
    }
    AddBatch(sums, unit, std::min(kBatch, count - done) / kSignsPerPosition, sum + done);
  }
}

}  // namespace ndcao::signs_internal

#endif
