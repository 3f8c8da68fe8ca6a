// Many uniform numbers of 16 bits at once, vectorised.
//
// Number j of a stream takes half a word of philox.h: the lower half of word j / 2 if j is even,
// the upper half if it is odd; four words a position. Compiled for any processor, for AVX2 and for
// AVX-512, and chosen at run time: the choice never shows, for every step is exact.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ndcao/random/drawing.h"
#include "ndcao/random/philox.h"

namespace ndcao {

/// Whose numbers: the stream (seed, purpose, name, index) of philox.h.
struct UniformsKey {
  std::uint64_t seed = 0;
  Purpose purpose = Purpose::kTest;
  std::uint64_t name = 0;
  std::uint32_t index = 0;
};

/// Fills `out` with the stream's first numbers: (n + 0.5) / 2^15 − 1 with n uniform on
/// {0, …, 2^16 − 1}, so on (−1, 1).
void DrawUniforms(const UniformsKey& key, std::span<double> out);

namespace uniforms_internal {

/// Numbers drawn at a time.
inline constexpr std::size_t kUniformsPerPosition = 8;
inline constexpr std::size_t kPositions = 64;
inline constexpr std::size_t kUniforms = kPositions * kUniformsPerPosition;

/// Writes kUniforms numbers, those of `position` and the kPositions − 1 after it.
using Kernel = random_internal::DrawKernel<UniformsKey, double>;

/// What this processor can run, the slowest first; the tests hold each of them to the definition.
std::span<const Kernel> SupportedKernels();

}  // namespace uniforms_internal
}  // namespace ndcao
