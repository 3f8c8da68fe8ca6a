// Which examples of a pool a group is evaluated on, by the scores that they got at the centre.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace ndcao {

/// Examples screened in one forward pass: enough to run at full speed, few enough that screening
/// needs no more memory than the evaluations do.
inline constexpr std::size_t kScreeningBatch = 256;

struct ChosenExamples {
  std::vector<std::uint32_t> positions;  ///< In the pool; b of them, some perhaps several times.
  std::vector<float> weights;            ///< 1 / (n p) of each.
  double loss = 0;                       ///< Their weighted mean loss: L0.
};

/// Screens a pool of n examples, given the kind, the loss and the score of each; `u` as
/// ScreeningOffset draws it. The pool is ordered by kind, and by score within a kind: systematic
/// sampling takes its share of every stretch of an ordered pool, so the examples that are kept vary
/// less from draw to draw, and so does the loss (docs/results.md); the weights stay unbiased.
ChosenExamples ChooseExamples(std::span<const std::int32_t> strata, std::span<const float> losses,
                              std::span<const float> scores, std::uint32_t b, double u);

}  // namespace ndcao
