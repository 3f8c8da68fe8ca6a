#include "ndcao/block/loss_guard.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace ndcao {
namespace {

constexpr double kFastRate = 0.05;    // of F, once 20 groups are in
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

// The given deviation remembers the steep start of a run for long; one's own grows with a loss that
// explodes. Noise is what both show.
bool LossGuard::Explodes(double centre, double deviation, double excess) const {
  return centre - least_ > std::max(kRise * excess, kLeapNoise * std::min(deviation, deviation_));
}

LossGuard::Verdict LossGuard::Add(double centre, double loss, double deviation, double excess,
                                  double quiet) {
  centres_[measured_++ % centres_.size()] = centre;
  groups_ += 1;
  const double rate = std::max(kFastRate, 1 / groups_);
  fast_ += rate * (loss - fast_);
  deviation_ += rate * (std::abs(loss - fast_) - deviation_);
  if (std::exchange(restarted_, false)) stranded_ = Explodes(centre, deviation, excess);
  if (groups_ <= quiet || fast_ < least_) {
    least_ = fast_;
    return Verdict::kFalling;
  }
  const double noise = std::min(deviation, deviation_);
  const bool rises = fast_ - least_ > std::max(kRise * excess, kNoise * noise);
  const bool explodes = Explodes(RecentCentre(), deviation, excess);
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

void LossGuard::ForgetUpTo(std::uint64_t version) {
  while (!moves_.empty() && moves_.back().version <= version) moves_.pop_back();
}

void LossGuard::ForgetAllBut(std::size_t newest) {
  if (moves_.size() > newest) moves_.resize(newest);
}

std::deque<Move> LossGuard::TakeMoves() { return std::exchange(moves_, {}); }

void LossGuard::Restart(std::uint64_t version) {
  fast_ = least_;
  centres_.fill(least_);
  step_factor_ *= 0.5;
  restored_version_ = version;
  restarted_ = true;
  stranded_ = false;
}

void LossGuard::Settle() {
  fast_ = least_ = RecentCentre();
  moves_.clear();
  stranded_ = false;
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
  for (const bool x : {restarted_, stranded_}) out.Put(static_cast<std::uint8_t>(x));
  out.Put(static_cast<std::uint64_t>(moves_.size()));
  for (const Move& move : moves_) {
    out.Put(move.trial.value);
    out.PutVector(move.coefficients);
    out.Put(move.version);
  }
}

void LossGuard::Load(ByteReader& in) {
  in.GetAll(std::span<double>(centres_));
  measured_ = in.Get<std::uint64_t>();
  for (double* x : {&groups_, &fast_, &deviation_, &least_, &step_factor_}) *x = in.Get<double>();
  restored_version_ = in.Get<std::uint64_t>();
  for (bool* x : {&restarted_, &stranded_}) *x = in.Get<std::uint8_t>() != 0;
  const auto count = in.Get<std::uint64_t>();
  moves_.clear();
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    const TrialId trial{in.Get<std::uint64_t>()};
    std::vector<float> coefficients = in.GetVector<float>();
    moves_.push_back({trial, std::move(coefficients), in.Get<std::uint64_t>()});
  }
}

}  // namespace ndcao
