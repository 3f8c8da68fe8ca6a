// Standard normal numbers from Philox bits, vectorised. Internal to random/.
//
// Parameter j takes number j mod 4 of position j / 4: two pairs of BoxMuller (normal.h), from the
// position's four words in their order. Compiled for any processor, for AVX2 and for AVX-512, and
// chosen at run time: each does the IEEE operations of BoxMuller, so the choice never shows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ndcao/random/drawing.h"

namespace ndcao::normals_internal {

/// The stream of one evaluation: which bits.
struct NormalKey {
  std::uint64_t seed;
  std::uint64_t trial;
  std::uint32_t evaluation;
};

/// Numbers drawn at a time.
inline constexpr std::size_t kNormalsPerPosition = 4;
inline constexpr std::size_t kPositions = 64;
inline constexpr std::size_t kNormals = kPositions * kNormalsPerPosition;

/// Writes kNormals numbers, those of `position` and the kPositions − 1 after it.
using Kernel = random_internal::DrawKernel<NormalKey, float>;

/// What this processor can run, the slowest first.
std::span<const Kernel> SupportedKernels();

/// out[i] = base[i] + scale · e(first + i), i < count. `out` may be `base`.
void AddNormals(const NormalKey& key, float scale, std::uint64_t first, const float* base,
                float* out, std::size_t count);

}  // namespace ndcao::normals_internal
