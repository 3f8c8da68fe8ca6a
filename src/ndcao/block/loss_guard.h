// The guard against divergence: a pure function of the losses.
//
// It follows a fast mean F of the loss at the centre and the least value it has had. When F rises
// above that by half of the loss (measured from its floor), and by more than the noise in F
// explains, the optimizer takes back the moves it made since, and halves its step, which grows back
// slowly. A loss that explodes is recognised sooner, by the median of the last three centres.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "ndcao/base/bytes.h"
#include "ndcao/block/move.h"

namespace ndcao {

class LossGuard {
 public:
  enum class Verdict {
    kFalling,   ///< The least F so far.
    kHolding,   ///< Neither.
    kDiverging  ///< Take the moves back.
  };

  /// One more group: its loss at the centre, as measured and winsorised, the mean deviation of
  /// such losses, and how far the least F lies above the floor.
  Verdict Add(double centre, double loss, double deviation, double excess);
  /// A group that taught nothing, since its centre is not finite.
  Verdict AddNonFinite();

  /// A move made at the present version.
  void Remember(Move move);
  /// After kFalling: forgets the moves, but for the newest `unseen`, which were decided before the
  /// loss was measured but not made yet.
  void Forget(std::size_t unseen);
  /// The moves that are not forgotten, newest first; forgets them.
  std::deque<Move> TakeMoves();
  /// After the moves were taken back.
  void Restart(std::uint64_t version);

  /// After a group that took nothing back: `groups` such calls double the step factor, up to 1.
  void Regain(double groups);

  /// Groups proposed before a roll-back speak of parameters that are gone.
  bool Outdated(std::uint64_t base_version) const { return base_version < restored_version_; }
  /// 1; halved at every roll-back, regained since.
  double step_factor() const { return step_factor_; }
  double fast_loss() const { return fast_; }
  double least_loss() const { return least_; }

  void Save(ByteWriter& out) const;
  void Load(ByteReader& in);

 private:
  double RecentCentre() const;

  std::array<double, 3> centres_{};  // the last ones, as measured
  std::uint64_t measured_ = 0;       // how many there have been
  double groups_ = 0;
  double fast_ = 0;
  double deviation_ = 0;  // mean |loss − F|, as fast as F
  double least_ = 0;
  double step_factor_ = 1;
  std::uint64_t restored_version_ = 0;
  std::deque<Move> moves_;  // newest first
};

}  // namespace ndcao
