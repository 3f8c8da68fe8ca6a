#include "ndcao/random/normals.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <vector>

#include "ndcao/random/drawing.h"
#include "ndcao/random/normal.h"
#include "ndcao/random/philox_words.h"

namespace ndcao::normals_internal {
namespace {

using Words = random_internal::PhiloxWords<kPositions>;
using Word = decltype(Words::x0);

// A pair from each position: every other pair of `out`.
[[gnu::always_inline]] inline void FillPairs(const Word& radius_bits, const Word& angle_bits,
                                             float* out) {
  std::array<float, kPositions> first, second;
  for (std::size_t i = 0; i < kPositions; ++i) {
    const NormalPair pair = BoxMuller(radius_bits[i], angle_bits[i]);
    first[i] = pair.first;
    second[i] = pair.second;
  }
  for (std::size_t i = 0; i < kPositions; ++i) {
    out[kNormalsPerPosition * i] = first[i];
    out[kNormalsPerPosition * i + 1] = second[i];
  }
}

[[gnu::always_inline]] inline void DrawBody(const NormalKey& key, std::uint32_t position,
                                            float* out) {
  Words words;
  random_internal::FillWords(key.seed, Purpose::kGaussians, key.trial, key.evaluation, position,
                             words);
  FillPairs(words.x0, words.x1, out);
  FillPairs(words.x2, words.x3, out + 2);
}

}  // namespace

std::span<const Kernel> SupportedKernels() {
  static const std::vector<Kernel> kKernels =
      random_internal::Drawing<DrawBody, NormalKey, float>::Supported();
  return kKernels;
}

void AddNormals(const NormalKey& key, float scale, std::uint64_t first, const float* base,
                float* out, std::size_t count) {
  static const Kernel kFastest = SupportedKernels().back();
  std::array<float, kNormals> normals;
  std::size_t done = 0;
  while (done < count) {
    const std::uint64_t index = first + done;
    const std::size_t offset = index % kNormalsPerPosition;
    kFastest.draw(key, static_cast<std::uint32_t>(index / kNormalsPerPosition), normals.data());
    const std::size_t take = std::min(kNormals - offset, count - done);
    for (std::size_t i = 0; i < take; ++i) {
      out[done + i] = base[done + i] + scale * normals[offset + i];
    }
    done += take;
  }
}

}  // namespace ndcao::normals_internal
