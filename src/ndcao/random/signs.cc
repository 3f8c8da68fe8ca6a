#include "ndcao/random/signs.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "ndcao/random/philox.h"

namespace ndcao::signs_internal {
namespace {

constexpr std::size_t kSignsPerPosition = 128;
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

using Kernel = void (*)(const SignKey&, float, std::uint64_t, const float*, float*, std::size_t);

void AddAlignedPortable(const SignKey& key, float scale, std::uint64_t first, const float* base,
                        float* out, std::size_t count) {
  AddAlignedBody(key, scale, first, base, out, count);
}

#if defined(__x86_64__)
[[gnu::target("avx2")]] void AddAlignedAvx2(const SignKey& key, float scale, std::uint64_t first,
                                            const float* base, float* out, std::size_t count) {
  AddAlignedBody(key, scale, first, base, out, count);
}
Kernel Choose() { return __builtin_cpu_supports("avx2") ? AddAlignedAvx2 : AddAlignedPortable; }
#else
Kernel Choose() { return AddAlignedPortable; }
#endif

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

}  // namespace

void AddSigned(const SignKey& key, float scale, std::uint64_t first, const float* base, float* out,
               std::size_t count) {
  static const Kernel kAddAligned = Choose();
  const std::size_t head = std::min<std::size_t>(
      count, (kSignsPerPosition - first % kSignsPerPosition) % kSignsPerPosition);
  if (head > 0) AddPartial(key, scale, first, base, out, head);
  const std::size_t body = (count - head) / kSignsPerPosition * kSignsPerPosition;
  if (body > 0) kAddAligned(key, scale, first + head, base + head, out + head, body);
  const std::size_t done = head + body;
  if (done < count) AddPartial(key, scale, first + done, base + done, out + done, count - done);
}

}  // namespace ndcao::signs_internal
