// Philox4x32-10 (philox.h) for many positions side by side, in plain loops that a compiler turns
// into vector instructions. Internal to random/.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "ndcao/random/philox.h"

namespace ndcao::random_internal {

/// The four words of each of kPositions positions.
template <std::size_t kPositions>
struct PhiloxWords {
  std::array<std::uint32_t, kPositions> x0, x1, x2, x3;
};

/// PhiloxBits of `position` and those after it (Random123's rounds).
template <std::size_t kPositions>
[[gnu::always_inline]] inline void FillWords(std::uint64_t seed, Purpose purpose,
                                             std::uint64_t name, std::uint32_t index,
                                             std::uint32_t position,
                                             PhiloxWords<kPositions>& words) {
  for (std::size_t i = 0; i < kPositions; ++i) {
    words.x0[i] = position + static_cast<std::uint32_t>(i);
    words.x1[i] = IndexWord(index, purpose);
    words.x2[i] = static_cast<std::uint32_t>(name);
    words.x3[i] = static_cast<std::uint32_t>(name >> 32);
  }
  auto k0 = static_cast<std::uint32_t>(seed);
  auto k1 = static_cast<std::uint32_t>(seed >> 32);
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

}  // namespace ndcao::random_internal
