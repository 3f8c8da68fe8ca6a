#include "ndcao/worker/slot_owners.h"

#include <algorithm>
#include <utility>

namespace ndcao {
namespace {

// 0 2 1 3 for 4 slots: workers that join one after another start far from each other.
std::uint32_t SpreadOut(WorkerId worker, std::uint32_t slots) {
  std::uint32_t slot = 0;
  for (std::uint32_t bit = 1, weight = slots / 2; weight > 0; bit *= 2, weight /= 2) {
    if (worker & bit) slot += weight;
  }
  return slot % slots;
}

}  // namespace

SlotOwners::SlotOwners(std::uint32_t slots) : owners_(slots), next_(slots) {}

bool SlotOwners::Owns(const Owners& owners, WorkerId worker) {
  return std::find(owners.begin(), owners.end(), worker) != owners.end();
}

bool SlotOwners::Filled(std::uint64_t round, std::uint32_t slot, WorkerId worker) {
  const bool begun = round != round_;
  if (begun) {
    owners_ = std::exchange(next_, Owners(next_.size()));
    round_ = round;
  }
  if (!Owns(next_, worker)) next_.at(slot) = worker;
  return begun;
}

std::uint32_t SlotOwners::First(WorkerId worker) const {
  const auto slots = static_cast<std::uint32_t>(owners_.size());
  const auto own = std::find(owners_.begin(), owners_.end(), worker);
  if (own != owners_.end()) return static_cast<std::uint32_t>(own - owners_.begin());
  const std::uint32_t first = SpreadOut(worker, slots);
  for (std::uint32_t i = 0; i < slots; ++i) {
    if (!owners_[(first + i) % slots]) return (first + i) % slots;
  }
  return first;
}

bool SlotOwners::LeftToAnother(std::uint32_t slot, WorkerId worker) const {
  const std::optional<WorkerId>& owner = owners_.at(slot);
  return owner && *owner != worker;
}

}  // namespace ndcao
