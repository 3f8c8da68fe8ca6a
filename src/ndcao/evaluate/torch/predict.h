// What a network says about some examples. (No Torch in this header.)
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ndcao/base/result.h"
#include "ndcao/data/dataset.h"
#include "ndcao/evaluate/torch/network_problem.h"

namespace ndcao {

struct Prediction {
  std::uint32_t example = 0;   ///< Index in the test part.
  std::int32_t predicted = 0;  ///< The class of the largest output.
  float confidence = 0;        ///< Its softmax probability.
};

/// Predictions for test examples `indices`.
Result<std::vector<Prediction>> PredictTest(const NetworkOptions& options,
                                            std::span<const float> parameters, const Dataset& data,
                                            std::span<const std::uint32_t> indices);

}  // namespace ndcao
