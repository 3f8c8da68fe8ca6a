// A keyed sequence of numbers, drawn one after another.
#pragma once

#include <array>
#include <cstdint>

#include "ndcao/random/philox.h"

namespace ndcao {

/// The stream (seed, purpose, name, index) read in order. A value: copies go their own way.
class RandomSequence {
 public:
  RandomSequence(std::uint64_t seed, Purpose purpose, std::uint64_t name, std::uint32_t index = 0)
      : seed_(seed), purpose_(purpose), name_(name), index_(index) {}

  std::uint32_t Next32() {
    if (used_ == 4) bits_ = PhiloxBits(seed_, purpose_, name_, index_, position_++), used_ = 0;
    return bits_[used_++];
  }
  /// Uniform on {0, …, bound − 1}; bound > 0. The bias is below bound / 2^32.
  std::uint32_t Below(std::uint32_t bound) {
    return static_cast<std::uint32_t>(std::uint64_t{Next32()} * bound >> 32);
  }
  /// Uniform on [0, 1), a multiple of 2^-32.
  double Uniform() { return Next32() * 0x1p-32; }
  /// Standard normal; the same bits on every machine (see BoxMuller).
  double Normal();

 private:
  std::uint64_t seed_;
  Purpose purpose_;
  std::uint64_t name_;
  std::uint32_t index_;
  std::uint32_t position_ = 0;
  std::array<std::uint32_t, 4> bits_{};
  int used_ = 4;
  bool has_spare_ = false;
  double spare_ = 0;
};

}  // namespace ndcao
