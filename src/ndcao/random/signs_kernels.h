// The kernels behind signs.h: the same sums, compiled for different processors. Internal to
// random/; the tests hold each of them to the first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ndcao/random/signs.h"

namespace ndcao::signs_internal {

inline constexpr std::size_t kSignsPerPosition = 128;

/// An evaluation and what its signs are multiplied by, in fixed point.
struct Term {
  std::uint32_t evaluation = 0;
  std::int32_t weight = 0;
};

/// All of these take whole positions: `first` and `count` are multiples of 128.
struct Kernels {
  const char* name;
  /// As AddSigned.
  void (*add)(const SignKey& key, float scale, std::uint64_t first, const float* base, float* out,
              std::size_t count);
  /// sum[i] += unit · Σ weight · sign(first + i). The Σ is an integer, so any order of the terms
  /// will do; the weights' absolute values add up to less than 2^31. `key.evaluation` is not read.
  void (*add_terms)(const SignKey& key, std::span<const Term> terms, float unit,
                    std::uint64_t first, float* sum, std::size_t count);
};

/// What this processor can run: the portable kernels first, the fastest last.
std::span<const Kernels> SupportedKernels();

#if defined(__x86_64__)
/// Need AVX-512 F, DQ and BW: signs_avx512.cc, sign_sums_avx512.cc.
extern const Kernels kAvx512Kernels;
void AddTermsAvx512(const SignKey& key, std::span<const Term> terms, float unit,
                    std::uint64_t first, float* sum, std::size_t count);
#endif

}  // namespace ndcao::signs_internal
