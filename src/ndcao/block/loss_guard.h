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
  /// such losses, and how far the least F lies above the floor. The first `quiet` are not judged.
  Verdict Add(double centre, double loss, double deviation, double excess, double quiet);
  /// A group that taught nothing, since its centre is not finite.
  Verdict AddNonFinite();

  /// A move made at the present version.
  void Remember(Move move);
  /// After kFalling: forgets the moves up to `version`, which the least loss has seen.
  void ForgetUpTo(std::uint64_t version);
  /// As runs of older formats do: forgets all moves but the newest.
  void ForgetAllBut(std::size_t newest);
  /// The moves that are not forgotten, newest first; forgets them.
  std::deque<Move> TakeMoves();
  /// After the moves were taken back.
  void Restart(std::uint64_t version);
  /// Whether the loss was above the least, as far as an explosion is, in the first group after the
  /// last Restart already: the least was measured elsewhere than where the moves led back to.
  bool stranded() const { return stranded_; }
  /// Takes the last centres for the least F.
  void Settle();

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
  bool Explodes(double centre, double deviation, double excess) const;

  std::array<double, 3> centres_{};  // the last ones, as measured
  std::uint64_t measured_ = 0;       // how many there have been
  double groups_ = 0;
  double fast_ = 0;
  double deviation_ = 0;  // mean |loss − F|, as fast as F
  double least_ = 0;
  double step_factor_ = 1;
  std::uint64_t restored_version_ = 0;
  bool restarted_ = false;  // and nothing measured since
  bool stranded_ = false;
  std::deque<Move> moves_;  // newest first
};

}  // namespace ndcao
