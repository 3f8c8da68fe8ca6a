// Sums of bytes with signs: what a dense layer whose weights move by ±s adds to its outputs.
//
//   ByteBatch batch(examples.size(), features);       // once for many sets of signs
//   batch.Pack(data.bytes, examples, memory);
//   SignRows rows = …;                                // once for each set of signs
//   batch.Sum(rows.signs, units, sums);               // exact: integers
//
// Internal to evaluate/torch. Only where SignedSumsAreFast().
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ndcao {

/// Whether this processor multiplies bytes (AVX-512 VNNI), four times as many at once as float32
/// values. Without it nothing here may be called, and a plain matrix product is the better way.
bool SignedSumsAreFast();

/// Which way each weight of a layer has moved: −1, 0 or +1, a row for each unit.
class SignRows {
 public:
  /// For rows of `features` weights.
  explicit SignRows(std::size_t features);

  /// Reads the signs of moved − still (units · features values each), and of each row the sum of
  /// sign · offset (one offset for each feature).
  void Read(std::span<const float> still, std::span<const float> moved,
            std::span<const float> offset);

  /// units · row_bytes() signs; those behind `features` are 0.
  std::span<const std::int8_t> signs() const { return signs_; }
  std::span<const float> offset_sums() const { return offset_sums_; }
  std::size_t units() const { return offset_sums_.size(); }
  std::size_t row_bytes() const { return row_bytes_; }

 private:
  std::size_t features_;
  std::size_t row_bytes_;
  std::vector<std::int8_t> signs_;
  std::vector<float> offset_sums_;
};

/// Examples of unsigned bytes, in the order in which the processor takes them.
class ByteBatch {
 public:
  ByteBatch() = default;
  /// For so many examples; not packed yet.
  ByteBatch(std::size_t examples, std::size_t features);

  /// What Pack needs.
  std::size_t packed_bytes() const;
  /// Row i is features bytes from bytes[examples[i] · features]. They are packed into `memory`,
  /// which has to last.
  void Pack(std::span<const std::uint8_t> bytes, std::span<const std::uint32_t> examples,
            std::span<std::uint8_t> memory);

  /// sums[u · stride() + i] = Σ_j sign[u][j] · byte[i][j], for all units and examples. `sums` has
  /// units · stride() places; those behind the last example of a row mean nothing.
  void Sum(const SignRows& rows, std::span<std::int32_t> sums) const;

  /// The number of examples, rounded up to whole vectors.
  std::size_t stride() const { return blocks_ * kLanes; }

 private:
  static constexpr std::size_t kLanes = 16;  ///< Examples side by side.

  std::size_t features_ = 0;
  std::size_t blocks_ = 0;
  std::size_t quads_ = 0;                 ///< Features, in fours.
  std::span<const std::uint8_t> packed_;  ///< [block][quad][lane][4]
};

}  // namespace ndcao
