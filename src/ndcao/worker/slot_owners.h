// Which worker each slot of a synchronous round is left to, learned from the journal.
//
// Workers in several processes see nothing of one another but records. Who filled a slot first in
// the last round is expected to fill it again; a slot that its filler did besides its own belongs
// to nobody, and is where workers without a slot of their own begin. So a straggler, whose slot
// others fill, holds no slot after one round and delays nobody. A habit only: the fold takes
// whatever comes first.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "ndcao/base/ids.h"

namespace ndcao {

class SlotOwners {
 public:
  explicit SlotOwners(std::uint32_t slots);

  /// The replica took in a group of this round and slot. Returns true if the round is a new one.
  bool Filled(std::uint64_t round, std::uint32_t slot, WorkerId worker);

  /// The slot where a worker begins: its own, else one that nobody owns, else one by its number.
  std::uint32_t First(WorkerId worker) const;

  /// Whether another worker is expected to fill the slot.
  bool LeftToAnother(std::uint32_t slot, WorkerId worker) const;

 private:
  using Owners = std::vector<std::optional<WorkerId>>;

  static bool Owns(const Owners& owners, WorkerId worker);

  std::uint64_t round_ = 0;
  Owners owners_;  // by the last finished round
  Owners next_;    // by the groups of this round so far
};

}  // namespace ndcao
