// Antithetic pairs, which most of the peers measure: evaluations 2i and 2i + 1 stand at θ ± σ e_i.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace ndcao {

struct LossPair {
  std::uint32_t index = 0;  ///< Of the perturbation, in the stream.
  double plus = 0;
  double minus = 0;
};

/// The pairs of which both losses are finite. A last evaluation without a partner is left out.
std::vector<LossPair> FinitePairs(std::span<const float> losses);

/// Replaces the losses by their ranks over all pairs, from −½ (least) to ½; equal losses share
/// their mean rank, so losses that are all equal become 0. At least one pair.
void RankPairs(std::vector<LossPair>& pairs);

}  // namespace ndcao
