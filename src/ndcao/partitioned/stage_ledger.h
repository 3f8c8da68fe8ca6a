// Where the stages of a run that probes activations go back to when one of them comes anew: a fold
// of the journal's joins and kept records (docs/partitioned.md, "When a stage dies"). No I/O.
#pragma once

#include <cstdint>
#include <set>
#include <vector>

#include "ndcao/journal/record.h"

namespace ndcao {

class StageLedger {
 public:
  explicit StageLedger(std::uint32_t stages) : places_(stages) {}

  /// The entry at next_offset().
  void Take(const Entry& entry);

  Offset next_offset() const { return next_offset_; }
  WorkerId joins() const { return joins_; }
  /// Grows whenever a stage comes, for the first time or anew: what was under way is void, and all
  /// stages go back to base().
  std::uint32_t generation() const { return generation_; }
  /// The most steps after which all stages have kept their states, as the generation began.
  std::uint64_t base() const { return base_; }

 private:
  /// What is known of one stage.
  struct Place {
    WorkerId worker = ~WorkerId{0};   // its newest life
    std::set<std::uint64_t> kept{0};  // steps
  };

  void TakeKept(const KeptRecord& record);

  std::vector<Place> places_;
  Offset next_offset_ = 0;
  WorkerId joins_ = 0;
  std::uint32_t generation_ = 0;
  std::uint64_t base_ = 0;
};

}  // namespace ndcao
