#include "ndcao/random/normals.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <vector>

#include "ndcao/random/normal.h"
#include "ndcao/random/philox.h"

namespace ndcao::normals_internal {
namespace {

template <typename T>
using Lanes = std::array<T, kPositions>;

struct Words {
  Lanes<std::uint32_t> x0, x1, x2, x3;
};

// Philox4x32-10 of kPositions counters side by side (Random123's rounds; philox.h has it for one).
[[gnu::always_inline]] inline void FillWords(const NormalKey& key, std::uint32_t position,
                                             Words& words) {
  for (std::size_t i = 0; i < kPositions; ++i) {
    words.x0[i] = position + static_cast<std::uint32_t>(i);
    words.x1[i] = IndexWord(key.evaluation, Purpose::kGaussians);
    words.x2[i] = static_cast<std::uint32_t>(key.trial);
    words.x3[i] = static_cast<std::uint32_t>(key.trial >> 32);
  }
  auto k0 = static_cast<std::uint32_t>(key.seed);
  auto k1 = static_cast<std::uint32_t>(key.seed >> 32);
  for (int round = 0; round < 10; ++round) {
    for (std::size_t i = 0; i < kPositions; ++i) {
      const std::uint64_t p0 = std::uint64_t{PHILOX_M4x32_0} * words.x0[i];
      const std::uint64_t p1 = std::uint64_t{PHILOX_M4x32_1} * words.x2[i];
      words.x0[i] = static_cast<std::uint32_t>(p1 >> 32) ^ words.x1[i] ^ k0;
      words.x1[i] = static_cast<std::uint32_t>(p1);
      words.x2[i] = static_cast<std::uint32_t>(p0 >> 32) ^ words.x3[i] ^ k1;
      words.x3[i] = static_cast<std::uint32_t>(p0);
    }
    k0 += PHILOX_W32_0;
    k1 += PHILOX_W32_1;
  }
}

// A pair from each position: every other pair of `out`.
[[gnu::always_inline]] inline void FillPairs(const Lanes<std::uint32_t>& radius_bits,
                                             const Lanes<std::uint32_t>& angle_bits, float* out) {
  Lanes<float> first, second;
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
  FillWords(key, position, words);
  FillPairs(words.x0, words.x1, out);
  FillPairs(words.x2, words.x3, out + 2);
}

void DrawPortable(const NormalKey& key, std::uint32_t position, float* out) {
  DrawBody(key, position, out);
}

#if defined(__x86_64__)
[[gnu::target("avx2")]] void DrawAvx2(const NormalKey& key, std::uint32_t position, float* out) {
  DrawBody(key, position, out);
}
[[gnu::target("avx512f,avx512dq,avx512bw,prefer-vector-width=512")]] void DrawAvx512(
    const NormalKey& key, std::uint32_t position, float* out) {
  DrawBody(key, position, out);
}
#endif

std::vector<Kernel> FindKernels() {
  std::vector<Kernel> found = {{"portable", DrawPortable}};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) found.push_back({"avx2", DrawAvx2});
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw")) {
    found.push_back({"avx512", DrawAvx512});
  }
#endif
  return found;
}

}  // namespace

std::span<const Kernel> SupportedKernels() {
  static const std::vector<Kernel> kKernels = FindKernels();
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
