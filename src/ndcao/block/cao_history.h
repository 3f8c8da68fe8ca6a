// The history of one `cao` block: where the block stood, and the global performance there.
//
// Entries say at which version of the block's state they were added, so that a proposal made at
// any recent version can be made again: a loss that comes late is attributed to the point at which
// it was measured.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "ndcao/base/bytes.h"

namespace ndcao {

/// The parameters of one block, packed. Shared and never changed.
using CaoPoint = std::shared_ptr<const std::vector<float>>;

/// A product of `order` coordinates of the block.
struct Monomial {
  std::uint32_t order = 1;  ///< 1 to 3.
  std::array<std::uint32_t, 3> coordinates{};
};

struct CaoEntry {
  std::uint64_t version = 0;  ///< The first version that knows of this entry.
  std::uint64_t count = 0;    ///< Entries so far, with this one.
  double progress = 0;        ///< Part of the horizon that is over.
  float loss = 0;
  CaoPoint point;
  float best_loss = 0;  ///< Of all entries so far.
  CaoPoint best;
  std::vector<Monomial> kept;  ///< What the next fit goes on with (CaoOptions::keep_largest).
};

class CaoHistory {
 public:
  /// A view holds the last `window` entries; `spare` more are kept for proposals made earlier.
  CaoHistory(std::size_t window, std::size_t spare) : window_(window), spare_(spare) {}

  /// Versions do not decrease. Fills in the entry's count and best.
  void Add(CaoEntry entry);

  /// What a proposal at `version` knew, oldest first. None if part of it has been forgotten.
  std::optional<std::span<const CaoEntry>> At(std::uint64_t version) const;
  /// What a proposal made now knows.
  std::span<const CaoEntry> Now() const;

  void Save(ByteWriter& out) const;
  /// `size`: parameters of the block.
  void Load(ByteReader& in, std::size_t size);

 private:
  std::span<const CaoEntry> View(std::size_t end) const;

  std::size_t window_;
  std::size_t spare_;
  std::vector<CaoEntry> entries_;
  bool forgotten_ = false;  // whether entries have been dropped
};

}  // namespace ndcao
