#include "ndcao/block/loss_guard.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace ndcao {
namespace {

constexpr double kFastRate = 0.05;    // of F, once 20 groups are in
constexpr double kQuietGroups = 30;   // F is followed, but not judged, before
constexpr double kRise = 0.5;         // of the excess: healthy runs stay below 0.2
constexpr double kNoise = 2;          // mean deviations; F's own noise is below 0.3 of one
constexpr double kLeapNoise = 6;      // mean deviations, which a median of three does not reach
constexpr std::size_t kMoves = 1024;  // the most that can be taken back

// 2^x for x in [0, 1], by the series of 2^x − 1: the C library's differs between systems in the
// last bit.
double PowerOfTwo(double x) {
  constexpr double kLn2 = 0.69314718055994531;
  constexpr int kTerms = 20;
  double series = 0;
  for (int n = kTerms; n > 0; --n) series = (1 + series) * (x * kLn2 / n);
  return 1 + series;
}

}  // namespace

// The median of the last three.
double LossGuard::RecentCentre() const {
  const auto [a, b, c] = centres_;
  return std::max(std::min(a, b), std::min(std::max(a, b), c));
}

LossGuard::Verdict LossGuard::Add(double centre, double loss, double deviation, double excess) {
  centres_[measured_++ % centres_.size()] = centre;
  groups_ += 1;
  const double rate = std::max(kFastRate, 1 / groups_);
  fast_ += rate * (loss - fast_);
  deviation_ += rate * (std::abs(loss - fast_) - deviation_);
  if (groups_ <= kQuietGroups || fast_ < least_) {
    least_ = fast_;
    return Verdict::kFalling;
  }
  // The given deviation remembers the steep start of a run for long; one's own grows with a loss
  // that explodes. Noise is what both show.
  const double noise = std::min(deviation, deviation_);
  const bool rises = fast_ - least_ > std::max(kRise * excess, kNoise * noise);
  const bool explodes = RecentCentre() - least_ > std::max(kRise * excess, kLeapNoise * noise);
  return rises || explodes ? Verdict::kDiverging : Verdict::kHolding;
}

LossGuard::Verdict LossGuard::AddNonFinite() {
  centres_[measured_++ % centres_.size()] = std::numeric_limits<double>::infinity();
  const bool lost = !moves_.empty() && std::isinf(RecentCentre());
  return lost ? Verdict::kDiverging : Verdict::kHolding;
}

void LossGuard::Remember(Move move) {
  moves_.push_front(std::move(move));
  if (moves_.size() > kMoves) moves_.pop_back();
}

void LossGuard::Forget(std::size_t unseen) {
  if (moves_.size() > unseen) moves_.resize(unseen);
}

std::deque<Move> LossGuard::TakeMoves() { return std::exchange(moves_, {}); }

void LossGuard::Restart(std::uint64_t version) {
  fast_ = least_;
  centres_.fill(least_);
  step_factor_ *= 0.5;
  restored_version_ = version;
}

void LossGuard::Regain(double groups) {
  if (groups <= 0) return;
  step_factor_ = std::min(1.0, step_factor_ * PowerOfTwo(std::min(1.0, 1 / groups)));
}

void LossGuard::Save(ByteWriter& out) const {
  out.PutAll(std::span<const double>(centres_));
  out.Put(measured_);
  for (const double x : {groups_, fast_, deviation_, least_, step_factor_}) out.Put(x);
  out.Put(restored_version_);
  out.Put(static_cast<std::uint64_t>(moves_.size()));
  for (const Move& move : moves_) {
    out.Put(move.trial.value);
    out.PutVector(move.coefficients);
  }
}

void LossGuard::Load(ByteReader& in) {
  in.GetAll(std::span<double>(centres_));
  measured_ = in.Get<std::uint64_t>();
  for (double* x : {&groups_, &fast_, &deviation_, &least_, &step_factor_}) *x = in.Get<double>();
  restored_version_ = in.Get<std::uint64_t>();
  const auto count = in.Get<std::uint64_t>();
  moves_.clear();
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    const TrialId trial{in.Get<std::uint64_t>()};
    moves_.push_back({trial, in.GetVector<float>()});
  }
}

}  // namespace ndcao
