// The numbers that name things in a run.
#pragma once

#include <cstdint>

namespace ndcao {

/// Position of a record in the journal; record 0 is the run's spec.
using Offset = std::uint64_t;
/// Number of a block in its partition, from 0.
using BlockId = std::uint32_t;
/// Number of a worker: the position of its `join` record among the joins, from 0.
using WorkerId = std::uint32_t;

/// Names one group of evaluations for ever: every random choice of the group is keyed by it.
/// Synchronous runs number (round, slot), asynchronous ones (worker, counter).
struct TrialId {
  std::uint64_t value = 0;

  /// `slot` < 2^16, `round` < 2^47.
  static TrialId Sync(std::uint64_t round, std::uint32_t slot) { return {round << 16 | slot}; }
  /// `worker` < 2^23, `counter` < 2^40.
  static TrialId Async(WorkerId worker, std::uint64_t counter) {
    return {kAsyncBit | static_cast<std::uint64_t>(worker) << 40 | counter};
  }

  bool is_async() const { return (value & kAsyncBit) != 0; }
  std::uint64_t round() const { return value >> 16; }
  std::uint32_t slot() const { return static_cast<std::uint32_t>(value & 0xffff); }
  WorkerId worker() const { return static_cast<WorkerId>((value & ~kAsyncBit) >> 40); }
  std::uint64_t counter() const { return value & ((std::uint64_t{1} << 40) - 1); }

  friend bool operator==(TrialId, TrialId) = default;
  friend auto operator<=>(TrialId, TrialId) = default;

 private:
  static constexpr std::uint64_t kAsyncBit = std::uint64_t{1} << 63;
};

}  // namespace ndcao
