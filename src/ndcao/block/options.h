// Options of the block optimizers: part of the run's spec. Every block has one BlockOptions;
// blocks with equal options are folded together.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "ndcao/base/result.h"

namespace ndcao {

/// The default optimizer (docs/algorithm.md). Its constants are not tuned to a problem.
struct NoiseBudgetOptions {
  double eps = 2;   ///< Loss that estimator noise may inject over the run, relative to the loss.
  double clip = 4;  ///< Differences are cut at ± clip · √gB2.
  /// Share of the horizon in which a step that the guard has halved grows back; 0: never.
  double regain = 0.1;
  /// The guard's rules: 2, or 1 as in runs of before format 7 (docs/algorithm.md, section 3.8).
  std::uint32_t guard = 2;

  friend bool operator==(const NoiseBudgetOptions&, const NoiseBudgetOptions&) = default;
};

/// The peers: spsa, mezo, openai-es, pgpe, random-search. Zero means the authors' constant.
struct PeerOptions {
  double rate = 0;        ///< Learning rate; random-search: radius of the search.
  double sigma_rate = 0;  ///< pgpe: learning rate of the deviations.

  friend bool operator==(const PeerOptions&, const PeerOptions&) = default;
};

enum class CaoEstimator { kLinear, kMonomial };
enum class CaoCentre { kBest, kCurrent };
enum class CaoStep { kConstant, kLinear, kDecaying };

/// `cao`, the reference of the family (docs/algorithm.md, section on cao).
struct CaoOptions {
  CaoEstimator estimator = CaoEstimator::kLinear;
  std::uint32_t window = 30;       ///< T: pairs (θ_i, J) that the fit sees.
  std::uint32_t monomials = 150;   ///< L: features of the monomial estimator.
  std::uint32_t candidates = 250;  ///< N.
  double ridge = 0;                ///< λ; 0: the estimator's default.
  CaoCentre centre = CaoCentre::kBest;
  CaoStep schedule = CaoStep::kLinear;
  double step = 0.1;          ///< α(0), relative to the parameters' root mean square.
  double step_floor = 0.1;    ///< Linear schedule: α at the end, relative to α(0).
  bool keep_largest = false;  ///< Keep the monomials of largest |w| from fit to fit.
  /// The block-coordinate variant (Kapoutsis et al., 2019): evaluation i of a group has block i at
  /// its previous point, and block i learns from the difference that its own move made.
  bool coordinate = false;

  friend bool operator==(const CaoOptions&, const CaoOptions&) = default;
};

/// What a block learns its activations' signal from (docs/activations.md).
enum class ActivationEstimator {
  kStrict,   ///< Its own probes alone.
  kLearned,  ///< An estimator that its probes correct.
};

/// Blocks that probe their activations. Zero means the constant of the estimator.
struct ActivationOptions {
  ActivationEstimator estimator = ActivationEstimator::kLearned;
  double rate = 0;           ///< Of the local Adam; falls to 0 along a quarter of a cosine.
  double sigma = 0.01;       ///< Size of a probe, relative to the activations' root mean square.
  std::uint32_t probes = 0;  ///< K, of every site.

  friend bool operator==(const ActivationOptions&, const ActivationOptions&) = default;
};

/// Everything that one block's optimizer is told.
struct BlockOptions {
  std::string optimizer = "noise-budget";
  /// Size of a perturbation, in units of the parameters; 0: the optimizer's own.
  double sigma = 0;
  /// noise-budget: its size at the end of the budget, which it reaches in a straight line; 0:
  /// sigma.
  double sigma_end = 0;
  bool frozen = false;
  std::optional<double> loss_floor;  ///< The least value the loss can take; unset: 0.
  NoiseBudgetOptions noise_budget;
  PeerOptions peer;
  CaoOptions cao;

  friend bool operator==(const BlockOptions&, const BlockOptions&) = default;

  /// The error names the field, its value and what is allowed.
  Status Validate() const;
};

/// What the groups of a run look like. Constant over a run, known to every block.
struct GroupShape {
  std::uint32_t evaluations = 64;  ///< M.
  bool centre = true;              ///< The loss at the centre is measured too.
  bool screening = true;           ///< The optimizer's default: choose images by importance.
  std::uint32_t slots = 4;         ///< Groups at one version of θ in a synchronous round.

  friend bool operator==(const GroupShape&, const GroupShape&) = default;
};

}  // namespace ndcao
