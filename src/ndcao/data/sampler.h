// Which examples a trial looks at: a pure function of (run seed, trial), and of the scores that
// the examples get at the centre where it screens them.
//
//   std::vector<std::uint32_t> pool(K * b);
//   DrawExamples(seed, trial, population, pool);      // forward them, score[i] = 1 − p(right
//   class) Screened kept = ScreenExamples(scores, b, ScreeningOffset(seed, trial));
//   // example pool[kept.positions[j]] has the weight kept.weights[j]
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ndcao/base/ids.h"

namespace ndcao {

/// Fills `out` with examples 0 … population − 1, uniformly, with replacement; population > 0.
void DrawExamples(std::uint64_t seed, TrialId trial, std::uint32_t population,
                  std::span<std::uint32_t> out);

/// Fills `order` with 0 … order.size() − 1, shuffled: the order of the examples in an epoch.
void ShuffleExamples(std::uint64_t seed, std::uint64_t epoch, std::span<std::uint32_t> order);

/// The offset u of the trial's systematic sampling, uniform on [0, 1). It has a stream of its own:
/// it does not depend on how many examples were drawn.
double ScreeningOffset(std::uint64_t seed, TrialId trial);

/// b of n examples, as positions in the pool they were taken from, increasing. A position may be
/// there several times.
struct Screened {
  std::vector<std::uint32_t> positions;
  std::vector<float> weights;  ///< 1 / (n p), at most 5.
};

/// Importance sampling: takes b positions with probabilities p_i = 0.2 / n + 0.8 score_i / Σ score
/// by systematic sampling: target (j + u) / b on the cumulative sum of p, for j = 0 … b − 1.
/// Over u, (1/b) Σ w x is an unbiased estimate of the pool's mean of x. A score that is negative,
/// infinite or NaN counts as 0; if all are 0, p is uniform. The pool is not empty, 0 <= u < 1.
Screened ScreenExamples(std::span<const float> scores, std::uint32_t b, double u);

}  // namespace ndcao
