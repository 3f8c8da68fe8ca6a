#include "ndcao/block/noise_statistics.h"

#include <algorithm>
#include <cmath>

namespace ndcao {
namespace {

constexpr double kGradientMemory = 0.98;
constexpr double kCurvatureMemory = 0.998;  // after a plain mean of the first 500 groups
constexpr double kLossMemory = 0.99;
constexpr double kMaximumMemory = 0.999;
constexpr double kCurvatureFloor = 0.25;  // of the slow maximum
constexpr double kWinsor = 4;             // times the running mean
constexpr double kWinsorAfter = 8;        // groups: before that there is no mean to compare with
constexpr double kQuietGroups = 30;       // no move before the statistics mean something
constexpr double kWarmUp = 0.02;          // of the horizon
constexpr double kFirstShare = 0.15;      // of the curvature along the gradient, until known better
constexpr double kRampGroups = 60;        // over which that assumption is given up, at least
constexpr double kRampMoves = 15;         // of a block that gathers as many groups as any
constexpr int kLeastLosses = 4;

struct Moments {
  int count = 0;
  double mean = 0;
  double variance = 0;
};

Moments MomentsOf(std::span<const float> losses) {
  Moments m;
  for (const float loss : losses) {
    if (std::isfinite(loss)) m.mean += loss, ++m.count;
  }
  if (m.count == 0) return m;
  m.mean /= m.count;
  for (const float loss : losses) {
    if (std::isfinite(loss)) m.variance += (loss - m.mean) * (loss - m.mean);
  }
  if (m.count > 1) m.variance /= m.count - 1;
  return m;
}

}  // namespace

double RecentMedian::median() const {
  const auto size = static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(count_, values_.size()));
  if (size == 0) return 0;
  std::array<double, 9> sorted = values_;
  std::nth_element(sorted.begin(), sorted.begin() + size / 2, sorted.begin() + size);
  return sorted[static_cast<std::size_t>(size / 2)];
}

void RecentMedian::Save(ByteWriter& out) const {
  out.PutAll(std::span<const double>(values_));
  out.Put(count_);
}

void RecentMedian::Load(ByteReader& in) {
  in.GetAll(std::span<double>(values_));
  count_ = in.Get<std::uint64_t>();
}

bool NoiseStatistics::Add(float centre, std::span<const float> losses, double sigma) {
  const Moments m = MomentsOf(losses);
  if (m.count < kLeastLosses || !std::isfinite(centre)) return false;
  const double variance = sigma * sigma;
  sigma_ = sigma;
  double gradient = m.variance / variance;
  double curvature = 2 * (m.mean - centre) / variance;
  double deviation = groups_ > 0 ? centre - loss_.mean() : 0;
  recent_gradient_.Add(gradient);
  recent_curvature_.Add(std::abs(curvature));
  recent_centre_.Add(centre);
  if (groups_ >= kWinsorAfter) {
    // One absurd group is cut down; a level that most of the last groups share is a fact.
    const double curvature_limit =
        std::max(kWinsor * curvature_magnitude_.mean(), recent_curvature_.median());
    const double deviation_limit = std::max(kWinsor * loss_deviation_.mean(),
                                            std::abs(recent_centre_.median() - loss_.mean()));
    gradient = std::min(gradient, std::max(kWinsor * gradient_.mean(), recent_gradient_.median()));
    curvature = std::clamp(curvature, -curvature_limit, curvature_limit);
    deviation = std::clamp(deviation, -deviation_limit, deviation_limit);
  }
  const double loss = groups_ > 0 ? loss_.mean() + deviation : centre;
  loss_least_ = groups_ > 0 ? std::min(loss_least_, loss) : loss;
  loss_greatest_ = groups_ > 0 ? std::max(loss_greatest_, loss) : loss;
  groups_ += 1;
  gradient_.Add(gradient, kGradientMemory);
  loss_.Add(loss, kLossMemory);
  loss_deviation_.Add(std::abs(deviation), kLossMemory);
  curvature_magnitude_.Add(std::abs(curvature), kLossMemory);
  const double keep = std::min(kCurvatureMemory, 1 - 1 / groups_);
  curvature_ = keep * curvature_ + (1 - keep) * curvature;
  // A landscape that bends down, or whose smoothing does, has a scale of its own all the same.
  curvature_maximum_ =
      std::max(kMaximumMemory * curvature_maximum_, std::abs(curvature_) - CurvatureError());
  group_loss_ = loss;
  group_mean_ = m.mean;
  return true;
}

// The loss above its floor. A loss that is negative and has no stated floor is measured against
// the range that it has run through.
double NoiseStatistics::ExcessOf(double loss) const {
  if (context_.loss_floor) return loss - *context_.loss_floor;
  return loss > 0 ? loss : loss_greatest_ - loss_least_;
}

// Of a group's estimate 2 (mean L_k − L0)/σ² the deviation is 2 √gB2 / (σ √M); the mean of the
// curvature counts as many groups as its memory holds.
double NoiseStatistics::CurvatureError() const {
  const double groups = std::min(groups_, (1 + kCurvatureMemory) / (1 - kCurvatureMemory));
  return 2 * std::sqrt(gradient()) / (sigma_ * std::sqrt(context_.evaluations) * std::sqrt(groups));
}

double NoiseStatistics::QuietGroups(double horizon) {
  return std::min(kQuietGroups, std::ceil(horizon / 10));
}

double NoiseStatistics::Step(double time, double horizon) const {
  const double quiet = QuietGroups(horizon);
  if (groups_ < quiet || time >= horizon) return 0;
  const double curvature =
      std::max(curvature_, kCurvatureFloor * curvature_maximum_) + CurvatureError();
  const double excess = ExcessOf(loss());
  if (curvature <= 0 || gradient() <= 0 || excess <= 0) return 0;
  const double evaluations = context_.evaluations;
  const double budget = std::sqrt(2 * context_.options.eps * excess / (horizon * evaluations)) /
                        std::sqrt(curvature) / std::sqrt(gradient());
  // Nothing tells how much of the curvature lies along the gradient. Assume much at first, then
  // ever less, so that the guard meets a step that is a little too large before a far larger one.
  const double ramp =
      std::min(std::max(kRampGroups, kRampMoves * context_.gathered), std::ceil(horizon / 5));
  const double rest = std::max(0.0, 1 - (groups_ - quiet) / ramp);
  const double share = std::max(1 / context_.parameters, kFirstShare * rest * rest * rest * rest);
  const double stable = 1 / (curvature * (1 + (context_.gathered * evaluations - 1) * share));
  const double schedule =
      std::min(1.0, (time + 1) / (kWarmUp * horizon)) * std::sqrt(1 - time / horizon);
  return schedule * std::min(budget, stable);
}

std::vector<float> NoiseStatistics::Coefficients(double eta, std::span<const float> losses) const {
  const double count = static_cast<double>(losses.size());
  const double limit = context_.options.clip * std::sqrt(gradient());
  std::vector<float> coefficients(losses.size(), 0.0f);
  for (std::size_t k = 0; k < losses.size(); ++k) {
    if (!std::isfinite(losses[k])) continue;
    const double slope = std::clamp((losses[k] - group_mean_) / sigma_, -limit, limit);
    coefficients[k] = static_cast<float>(-eta * count / (count - 1) * slope);
  }
  return coefficients;
}

void NoiseStatistics::Save(ByteWriter& out) const {
  for (const double x :
       {groups_, gradient_.sum, gradient_.weight, loss_.sum, loss_.weight, loss_deviation_.sum,
        loss_deviation_.weight, curvature_magnitude_.sum, curvature_magnitude_.weight, curvature_,
        curvature_maximum_, loss_least_, loss_greatest_, group_loss_, group_mean_, sigma_}) {
    out.Put(x);
  }
  for (const auto* recent : {&recent_gradient_, &recent_curvature_, &recent_centre_}) {
    recent->Save(out);
  }
}

void NoiseStatistics::Load(ByteReader& in) {
  for (double* x : {&groups_, &gradient_.sum, &gradient_.weight, &loss_.sum, &loss_.weight,
                    &loss_deviation_.sum, &loss_deviation_.weight, &curvature_magnitude_.sum,
                    &curvature_magnitude_.weight, &curvature_, &curvature_maximum_, &loss_least_,
                    &loss_greatest_, &group_loss_, &group_mean_, &sigma_}) {
    *x = in.Get<double>();
  }
  for (auto* recent : {&recent_gradient_, &recent_curvature_, &recent_centre_}) recent->Load(in);
}

}  // namespace ndcao
