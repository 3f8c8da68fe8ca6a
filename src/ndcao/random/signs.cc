#include "ndcao/random/signs.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "ndcao/random/philox.h"
#include "ndcao/random/signs_kernels.h"

namespace ndcao::signs_internal {
namespace {

constexpr std::size_t kBatchPositions = 32;  // 4096 signs: 512 bytes of bits, in registers' reach

using Words = std::array<std::uint32_t, kBatchPositions * 4>;

[[gnu::always_inline]] inline void FillWords(const SignKey& key, std::uint32_t position,
                                             std::size_t positions, std::uint32_t* words) {
  for (std::size_t i = 0; i < positions; ++i) {
    const auto bits = PhiloxBits(key.seed, Purpose::kSigns, key.trial, key.evaluation,
                                 position + static_cast<std::uint32_t>(i));
    std::memcpy(words + 4 * i, bits.data(), sizeof(bits));
  }
}

// scale with its sign flipped where the bit is set: ±scale exactly.
[[gnu::always_inline]] inline float Signed(std::uint32_t scale_bits, std::uint32_t word,
                                           unsigned bit) {
  return std::bit_cast<float>(scale_bits ^ ((word << (31 - bit)) & 0x80000000u));
}

[[gnu::always_inline]] inline void AddWords(const std::uint32_t* words, std::size_t count,
                                            float scale, const float* base, float* out) {
  const auto scale_bits = std::bit_cast<std::uint32_t>(scale);
  for (std::size_t w = 0; w < count; ++w) {
    const std::uint32_t word = words[w];
    for (unsigned bit = 0; bit < 32; ++bit) {
      out[32 * w + bit] = base[32 * w + bit] + Signed(scale_bits, word, bit);
    }
  }
}

// Whole positions only: `count` is a multiple of 128 and `first` starts a position.
[[gnu::always_inline]] inline void AddAlignedBody(const SignKey& key, float scale,
                                                  std::uint64_t first, const float* base,
                                                  float* out, std::size_t count) {
  Words words;
  std::size_t done = 0;
  while (done < count) {
    const std::size_t positions = std::min((count - done) / kSignsPerPosition, kBatchPositions);
    FillWords(key, static_cast<std::uint32_t>((first + done) / kSignsPerPosition), positions,
              words.data());
    AddWords(words.data(), positions * 4, scale, base + done, out + done);
    done += positions * kSignsPerPosition;
  }
}

void AddPortable(const SignKey& key, float scale, std::uint64_t first, const float* base,
                 float* out, std::size_t count) {
  AddAlignedBody(key, scale, first, base, out, count);
}

// The sums of a chunk stay in the first-level cache while the terms are added one by one.
constexpr std::size_t kChunk = kBatchPositions * kSignsPerPosition;

[[gnu::always_inline]] inline void AddWeights(const std::uint32_t* words, std::size_t count,
                                              std::int32_t weight, std::int32_t* sums) {
  for (std::size_t w = 0; w < count; ++w) {
    for (unsigned bit = 0; bit < 32; ++bit) {
      const std::int32_t minus = -static_cast<std::int32_t>(words[w] >> bit & 1);  // −1 or 0
      sums[32 * w + bit] += (weight ^ minus) - minus;
    }
  }
}

[[gnu::always_inline]] inline void AddTermsBody(const SignKey& key, std::span<const Term> terms,
                                                float unit, std::uint64_t first, float* sum,
                                                std::size_t count) {
  for (std::size_t done = 0; done < count; done += kChunk) {
    const std::size_t positions = std::min(kChunk, count - done) / kSignsPerPosition;
    std::array<std::int32_t, kChunk> sums{};
    for (const Term& term : terms) {
      Words words;
      FillWords({key.seed, key.trial, term.evaluation},
                static_cast<std::uint32_t>((first + done) / kSignsPerPosition), positions,
                words.data());
      AddWeights(words.data(), positions * 4, term.weight, sums.data());
    }
    for (std::size_t i = 0; i < positions * kSignsPerPosition; ++i) {
      sum[done + i] += unit * static_cast<float>(sums[i]);
    }
  }
}

void AddTermsPortable(const SignKey& key, std::span<const Term> terms, float unit,
                      std::uint64_t first, float* sum, std::size_t count) {
  AddTermsBody(key, terms, unit, first, sum, count);
}

#if defined(__x86_64__)
[[gnu::target("avx2")]] void AddTermsAvx2(const SignKey& key, std::span<const Term> terms,
                                          float unit, std::uint64_t first, float* sum,
                                          std::size_t count) {
  AddTermsBody(key, terms, unit, first, sum, count);
}

[[gnu::target("avx2")]] void AddAvx2(const SignKey& key, float scale, std::uint64_t first,
                                     const float* base, float* out, std::size_t count) {
  AddAlignedBody(key, scale, first, base, out, count);
}
#endif

std::vector<Kernels> FindKernels() {
  std::vector<Kernels> found = {{"portable", AddPortable, AddTermsPortable}};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) {
    found.push_back({"avx2", AddAvx2, AddTermsAvx2});
  }
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw")) {
    found.push_back(kAvx512Kernels);
  }
#endif
  return found;
}

// A part of one position: fewer than 128 parameters.
void AddPartial(const SignKey& key, float scale, std::uint64_t first, const float* base, float* out,
                std::size_t count) {
  const auto bits = PhiloxBits(key.seed, Purpose::kSigns, key.trial, key.evaluation,
                               static_cast<std::uint32_t>(first / kSignsPerPosition));
  const auto scale_bits = std::bit_cast<std::uint32_t>(scale);
  const std::size_t offset = first % kSignsPerPosition;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t bit = offset + i;
    out[i] = base[i] + Signed(scale_bits, bits[bit / 32], bit % 32);
  }
}

/// A range as whole positions with a part of one on either side.
struct Division {
  std::size_t head;
  std::size_t body;
  Division(std::uint64_t first, std::size_t count)
      : head(std::min<std::size_t>(
            count, (kSignsPerPosition - first % kSignsPerPosition) % kSignsPerPosition)),
        body((count - head) / kSignsPerPosition * kSignsPerPosition) {}
};

const Kernels& Fastest() {
  static const Kernels kFastest = SupportedKernels().back();
  return kFastest;
}

/// Scales as multiples of a power of two, which is fine enough for the sum of all to need 31 bits.
struct FixedPoint {
  std::vector<Term> terms;  ///< Without those of weight zero.
  float unit;
};

// Exact but for the rounding of each scale to the nearest multiple (halves away from zero).
FixedPoint ToFixedPoint(std::span<const float> scales) {
  constexpr int kBits = 30;
  constexpr int kLeastExponent = -126;  // the unit is a normal float
  double total = 0;
  for (const float scale : scales) total += std::abs(static_cast<double>(scale));
  if (!std::isfinite(total)) return {{}, std::numeric_limits<float>::quiet_NaN()};
  int exponent = 0;
  std::frexp(total, &exponent);  // total < 2^exponent
  exponent = std::max(exponent - kBits, kLeastExponent);
  FixedPoint fixed{{}, std::ldexp(1.0f, exponent)};
  fixed.terms.reserve(scales.size());
  const double units_per_one = std::ldexp(1.0, -exponent);
  for (std::uint32_t k = 0; k < scales.size(); ++k) {
    const double units = scales[k] * units_per_one;
    const auto weight = static_cast<std::int32_t>(units + std::copysign(0.5, units));
    if (weight != 0) fixed.terms.push_back({k, weight});
  }
  return fixed;
}

}  // namespace

std::span<const Kernels> SupportedKernels() {
  static const std::vector<Kernels> kKernels = FindKernels();
  return kKernels;
}

void AddSigned(const SignKey& key, float scale, std::uint64_t first, const float* base, float* out,
               std::size_t count) {
  const auto [head, body] = Division(first, count);
  if (head > 0) AddPartial(key, scale, first, base, out, head);
  if (body > 0) Fastest().add(key, scale, first + head, base + head, out + head, body);
  const std::size_t done = head + body;
  if (done < count) AddPartial(key, scale, first + done, base + done, out + done, count - done);
}

void AddSignedSum(const SignKey& key, std::span<const float> scales, std::uint64_t first,
                  std::span<float> sum) {
  const FixedPoint fixed = ToFixedPoint(scales);
  const auto add = [&](std::uint64_t at, float* out, std::size_t count) {
    if (count > 0) Fastest().add_terms(key, fixed.terms, fixed.unit, at, out, count);
  };
  // Of a position that is not whole, the rest is added to numbers that nobody reads.
  const auto add_part = [&](std::uint64_t at, std::span<float> part) {
    if (part.empty()) return;
    const auto offset = static_cast<std::ptrdiff_t>(at % kSignsPerPosition);
    std::array<float, kSignsPerPosition> position{};
    std::copy(part.begin(), part.end(), position.begin() + offset);
    add(at - at % kSignsPerPosition, position.data(), kSignsPerPosition);
    std::copy_n(position.begin() + offset, part.size(), part.begin());
  };
  const auto [head, body] = Division(first, sum.size());
  add_part(first, sum.first(head));
  add(first + head, sum.data() + head, body);
  add_part(first + head + body, sum.subspan(head + body));
}

}  // namespace ndcao::signs_internal
