// The perturbations: one random number for every parameter of every evaluation.
//
// The number for parameter j in evaluation k of trial t depends on (run seed, t, k, j) and on
// nothing else. So generating it for all of θ is one contiguous pass that any partition shares,
// and any range of it can be generated alone, by anybody, at any time.
#pragma once

#include <cstdint>
#include <span>

#include "ndcao/base/ids.h"

namespace ndcao {

enum class Distribution {
  kRademacher,  ///< ±1 with equal probability.
  kGaussian,    ///< Standard normal.
};

class PerturbationStream {
 public:
  explicit PerturbationStream(std::uint64_t run_seed,
                              Distribution distribution = Distribution::kRademacher)
      : seed_(run_seed), distribution_(distribution) {}

  /// out[i] = base[i] + scale · e(trial, k, first + i). `out` may be `base`.
  void Perturb(TrialId trial, std::uint32_t k, float scale, std::uint64_t first,
               std::span<const float> base, std::span<float> out) const;

  /// sum[i] += Σ_k coefficients[k] · e(trial, k, first + i). The Σ is rounded by itself before it
  /// is added: of signs once, from fixed point (signs.h); of normals term after term, in the order
  /// of k.
  void Accumulate(TrialId trial, std::span<const float> coefficients, std::uint64_t first,
                  std::span<float> sum) const;

  std::uint64_t seed() const { return seed_; }
  Distribution distribution() const { return distribution_; }

 private:
  std::uint64_t seed_;
  Distribution distribution_;
};

}  // namespace ndcao
