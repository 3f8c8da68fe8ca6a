// Keyed random bits: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
// SC 2011) through Random123. Every random choice of a run is a pure function of
// (run seed, purpose, name, position): nothing is drawn from a shared generator, so anybody can
// draw any part of it alone, in any order.
#pragma once

#include <Random123/philox.h>

#include <array>
#include <cstdint>

namespace ndcao {

/// What the bits are for. Part of the counter, so that purposes never share bits.
enum class Purpose : std::uint32_t {
  kSigns = 0,       ///< Rademacher signs of the perturbations.
  kGaussians = 1,   ///< Gaussian perturbations of the baselines.
  kExamples = 2,    ///< Which examples a trial looks at.
  kInit = 3,        ///< Initial parameters.
  kPartition = 4,   ///< Random partitions.
  kClock = 5,       ///< The blocks' clocks.
  kCandidates = 6,  ///< Candidates and features of `cao`.
  kAudit = 7,       ///< Which trials are evaluated again.
  kTest = 8,        ///< Test problems.
};

/// The second word of a counter: `index` and the purpose.
constexpr std::uint32_t IndexWord(std::uint32_t index, Purpose purpose) {
  return index << 8 | static_cast<std::uint32_t>(purpose);
}

/// 128 random bits at `position` of the stream (seed, purpose, name, index); index < 2^24.
inline std::array<std::uint32_t, 4> PhiloxBits(std::uint64_t seed, Purpose purpose,
                                               std::uint64_t name, std::uint32_t index,
                                               std::uint32_t position) {
  const r123::Philox4x32::key_type key = {
      {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)}};
  const r123::Philox4x32::ctr_type counter = {{position, IndexWord(index, purpose),
                                               static_cast<std::uint32_t>(name),
                                               static_cast<std::uint32_t>(name >> 32)}};
  const auto bits = r123::Philox4x32{}(counter, key);
  return {bits[0], bits[1], bits[2], bits[3]};
}

}  // namespace ndcao
