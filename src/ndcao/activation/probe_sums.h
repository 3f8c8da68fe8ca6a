// What one slot of a batch comes to: plain sums, to be added to those of the other slots. Used
// again for the next batch.
#pragma once

#include <cstdint>
#include <vector>

#include "ndcao/params/parameter_vector.h"

namespace ndcao {

/// Of what one weight takes in.
struct InputSum {
  std::vector<float> values;  ///< width × width: Σ x xᵀ; empty: not measured.
  double rows = 0;            ///< How many x there were.
};

/// Of one site (a place where activations are probed).
struct SiteSums {
  std::vector<float> correction;  ///< r × columns: what least mean squares adds to the estimator.
  double observed = 0;            ///< Σ c²
  double unforeseen = 0;          ///< Σ ρ²
  double change = 0;              ///< Σ m², over examples and columns.
  std::vector<InputSum> inputs;   ///< One for each of the site's input factors.
};

struct ProbeSums {
  ParameterVector gradient;  ///< d: outer products, summed over examples.
  bool cleared = false;      ///< The gradient is all zero: a measurement need not clear it.
  std::vector<SiteSums> sites;
  std::vector<float> moment;   ///< r × r: Σ e eᵀ.
  double loss = 0;             ///< Σ L₀ over the finite ones.
  std::uint64_t finite = 0;    ///< Examples whose loss is finite.
  std::uint64_t forwards = 0;  ///< Image-forwards: a pass from the middle counts one.
};

}  // namespace ndcao
