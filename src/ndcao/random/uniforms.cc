#include "ndcao/random/uniforms.h"

#include <algorithm>
#include <array>
#include <vector>

#include "ndcao/random/drawing.h"
#include "ndcao/random/philox_words.h"

namespace ndcao {
namespace uniforms_internal {
namespace {

[[gnu::always_inline]] inline double Uniform(std::uint32_t bits) {
  return (static_cast<std::int32_t>(bits) + 0.5) * 0x1p-15 - 1;
}

[[gnu::always_inline]] inline void DrawBody(const UniformsKey& key, std::uint32_t position,
                                            double* out) {
  random_internal::PhiloxWords<kPositions> lanes;
  random_internal::FillWords(key.seed, key.purpose, key.name, key.index, position, lanes);
  std::array<std::uint32_t, 4 * kPositions> words;
  for (std::size_t i = 0; i < kPositions; ++i) {
    words[4 * i] = lanes.x0[i];
    words[4 * i + 1] = lanes.x1[i];
    words[4 * i + 2] = lanes.x2[i];
    words[4 * i + 3] = lanes.x3[i];
  }
  for (std::size_t i = 0; i < words.size(); ++i) {
    out[2 * i] = Uniform(words[i] & 0xffff);
    out[2 * i + 1] = Uniform(words[i] >> 16);
  }
}

}  // namespace

std::span<const Kernel> SupportedKernels() {
  static const std::vector<Kernel> kKernels =
      random_internal::Drawing<DrawBody, UniformsKey, double>::Supported();
  return kKernels;
}

}  // namespace uniforms_internal

void DrawUniforms(const UniformsKey& key, std::span<double> out) {
  using namespace uniforms_internal;
  static const Kernel kFastest = SupportedKernels().back();
  std::uint32_t position = 0;
  while (out.size() >= kUniforms) {
    kFastest.draw(key, position, out.data());
    position += kPositions;
    out = out.subspan(kUniforms);
  }
  if (out.empty()) return;
  std::array<double, kUniforms> rest;
  kFastest.draw(key, position, rest.data());
  std::copy_n(rest.begin(), out.size(), out.begin());
}

}  // namespace ndcao
