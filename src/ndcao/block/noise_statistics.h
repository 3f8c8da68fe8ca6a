// The scalars of the noise-budget optimizer: what a block learns about the landscape from the
// losses alone, and the step that follows from it. Derived in docs/algorithm.md.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "ndcao/base/bytes.h"
#include "ndcao/block/options.h"

namespace ndcao {

/// Constants of a run that the step depends on.
struct StepContext {
  double evaluations = 64;  ///< M.
  double gathered = 4;      ///< Groups that a block gathers before it moves, at most.
  double parameters = 1;    ///< d.
  std::optional<double> loss_floor;
  NoiseBudgetOptions options;
};

/// Running mean Σ (1−ρ) ρ^(n−i) x_i, divided by its weight so that it is unbiased from the start.
struct RunningMean {
  double sum = 0;
  double weight = 0;

  void Add(double x, double rho) {
    sum = rho * sum + (1 - rho) * x;
    weight = rho * weight + (1 - rho);
  }
  double mean() const { return weight > 0 ? sum / weight : 0; }
};

/// The median of the last few values: what most of them agree on.
class RecentMedian {
 public:
  void Add(double x) {
    values_[count_ % values_.size()] = x;
    ++count_;
  }
  /// Of the values so far, at most 9 of them; 0 if there is none.
  double median() const;

  void Save(ByteWriter& out) const;
  void Load(ByteReader& in);

 private:
  std::array<double, 9> values_{};
  std::uint64_t count_ = 0;
};

class NoiseStatistics {
 public:
  explicit NoiseStatistics(StepContext context) : context_(context) {}

  /// Takes in one group, measured with perturbations of size `sigma`. False if it teaches nothing:
  /// fewer than 4 finite losses, or no finite centre.
  bool Add(float centre, std::span<const float> losses, double sigma);

  /// Groups of a horizon of T that are listened to before anything moves.
  static double QuietGroups(double horizon);
  /// η at time t of a horizon of T groups; 0 while there is nothing to go by.
  double Step(double time, double horizon) const;

  /// The coefficients of the last group added: the block's move is Σ_k c_k e_k with
  /// c_k = −η M/(M−1) clip((L_k − mean L)/σ). Zero for a loss that is not finite.
  std::vector<float> Coefficients(double eta, std::span<const float> losses) const;

  double groups() const { return groups_; }
  /// ‖∇L‖² as the probes see it: variance of L_k over σ².
  double gradient() const { return gradient_.mean(); }
  /// Trace of the Hessian: 2 (mean L_k − L0) / σ².
  double curvature() const { return curvature_; }
  /// The loss.
  double loss() const { return loss_.mean(); }
  /// Size of the perturbations of the last group added; 0 before the first.
  double sigma() const { return sigma_; }
  /// L0 of the last group added, winsorised, and the mean deviation of such.
  double group_loss() const { return group_loss_; }
  double loss_deviation() const { return loss_deviation_.mean(); }
  /// How far a loss lies above its floor.
  double ExcessOf(double loss) const;
  /// After a roll-back: the loss is this again.
  void ResetLoss(double loss) { loss_.sum = loss * loss_.weight; }

  void Save(ByteWriter& out) const;
  void Load(ByteReader& in);

 private:
  double CurvatureError() const;

  StepContext context_;
  double groups_ = 0;
  RunningMean gradient_;
  RunningMean loss_;
  RunningMean loss_deviation_;       // mean |L0 − loss|, for winsorising
  RunningMean curvature_magnitude_;  // mean |2 (mean L − L0)/σ²|, for winsorising
  RecentMedian recent_gradient_;
  RecentMedian recent_curvature_;  // of its magnitude
  RecentMedian recent_centre_;
  double curvature_ = 0;
  double curvature_maximum_ = 0;  // slowly forgotten
  double loss_least_ = 0;
  double loss_greatest_ = 0;
  double group_loss_ = 0;  // of the last group added
  double group_mean_ = 0;  // likewise: mean L_k
  double sigma_ = 0;       // likewise: its own
};

}  // namespace ndcao
