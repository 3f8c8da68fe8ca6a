// Rademacher signs from Philox bits, vectorised. Internal to random/.
//
// Parameter j takes bit j mod 128 of the 128 bits at position j / 128; a set bit is −1. The
// kernels are compiled for any processor, for AVX2 and for AVX-512, and chosen at run time: each
// does the same IEEE operations on the same numbers, so the choice never shows in the results.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace ndcao::signs_internal {

/// The stream of one evaluation: which bits.
struct SignKey {
  std::uint64_t seed;
  std::uint64_t trial;
  std::uint32_t evaluation;
};

/// out[i] = base[i] + scale · sign(first + i), i < count.
void AddSigned(const SignKey& key, float scale, std::uint64_t first, const float* base, float* out,
               std::size_t count);

/// sum[i] += Σ_k scales[k] · sign_k(first + i). The Σ is taken in fixed point, in 2^-30 of the
/// power of two above Σ_k |scales[k]| (2^-126 at least), and rounded to a float once. So one scale
/// alone is added exactly, and no order of the terms is preferred. If a scale is not finite, all
/// sums become NaN. `key.evaluation` is not read.
void AddSignedSum(const SignKey& key, std::span<const float> scales, std::uint64_t first,
                  std::span<float> sum);

}  // namespace ndcao::signs_internal
