// The clocks of the blocks in an asynchronous run: after how many groups each block moves next.
//
// A pure function of (seed, block's first parameter, group number): integer arithmetic on keyed
// random bits, so every replica agrees, and a block's clock does not depend on any other block.
#pragma once

#include <cstdint>
#include <queue>
#include <utility>
#include <vector>

#include "ndcao/base/bytes.h"
#include "ndcao/replica/run_spec.h"

namespace ndcao {

/// The most groups that any block waits for from one move to the next.
std::uint32_t LongestWait(const ClockOptions& options);

class BlockClocks {
 public:
  /// `keys[i]` is the first parameter of block i: it names the block whatever the others are.
  BlockClocks(std::uint64_t seed, ClockOptions options, std::vector<std::uint64_t> keys);

  /// Whether every block moves at every group, so that there is nothing to keep.
  bool trivial() const { return options_.greatest == 1; }

  /// One more group: the indices of the blocks that move now, in increasing order.
  std::vector<std::uint32_t> Tick();

  /// The mean period of a block, in groups.
  std::uint32_t period(std::uint32_t block) const;

  void Save(ByteWriter& out) const;
  void Load(ByteReader& in);

 private:
  using Event = std::pair<std::uint64_t, std::uint32_t>;  // group number, block

  std::uint64_t Wait(std::uint32_t block, std::uint64_t now) const;

  std::uint64_t seed_;
  ClockOptions options_;
  std::vector<std::uint64_t> keys_;
  std::uint64_t now_ = 0;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
};

}  // namespace ndcao
