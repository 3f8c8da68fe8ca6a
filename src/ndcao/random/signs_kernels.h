// The kernels behind signs.h: the same sums, compiled for different processors. Internal to
// random/; the tests hold each of them to the first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ndcao/random/signs.h"

namespace ndcao::signs_internal {

inline constexpr std::size_t kSignsPerPosition = 128;

/// An evaluation and what its signs are multiplied by.
struct Term {
  std::uint32_t evaluation = 0;
  float scale = 0;
};

/// All of these take whole positions: `first` and `count` are multiples of 128.
struct Kernels {
  const char* name;
  /// As AddSigned.
  void (*add)(const SignKey& key, float scale, std::uint64_t first, const float* base, float* out,
              std::size_t count);
  /// sum[i] += Σ scale · sign(first + i), term after term; `key.evaluation` is not read.
  void (*add_terms)(const SignKey& key, std::span<const Term> terms, std::uint64_t first,
                    float* sum, std::size_t count);
};

/// What this processor can run: the portable kernels first, the fastest last.
std::span<const Kernels> SupportedKernels();

#if defined(__x86_64__)
/// Needs AVX-512 F, DQ and BW.
extern const Kernels kAvx512Kernels;
#endif

}  // namespace ndcao::signs_internal
