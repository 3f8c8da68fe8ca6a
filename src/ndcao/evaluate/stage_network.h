// One stage of a network that is cut into several (docs/partitioned.md): its own parameters, and
// its part of the forward pass.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ndcao/base/result.h"

namespace ndcao {

/// Everything that a stage's part of the network is made from, besides its parameters.
struct StageModel {
  std::string model;                        ///< A name of the zoo, or a file.
  std::string module;                       ///< Of a file: the stage's modules, as TorchScript.
  std::string batch_norm = "eval";          ///< As --batch-norm.
  std::vector<std::int64_t> example_shape;  ///< Of the data's examples.
  std::int64_t classes = 0;                 ///< Outputs of the whole network.
  std::uint32_t from = 0;                   ///< The first section of the stage,
  std::uint32_t to = 0;                     ///< and the first behind it.
  std::vector<std::int64_t> input_shape;    ///< Of one example, where it enters the stage,
  std::vector<std::int64_t> output_shape;   ///< and where it leaves.

  friend bool operator==(const StageModel&, const StageModel&) = default;
};

/// Number of values of one example of this shape.
inline std::uint64_t ValuesOf(const std::vector<std::int64_t>& shape) {
  std::uint64_t values = 1;
  for (const std::int64_t size : shape) values *= static_cast<std::uint64_t>(size);
  return values;
}

/// Used by one thread.
class StageNetwork {
 public:
  virtual ~StageNetwork() = default;

  /// The stage's parameters, which the next Forward reads.
  virtual std::span<float> parameters() = 0;

  /// From rows of input values to as many rows of output values, which stay valid until the next
  /// call. kInvalid if the network answers something of another shape.
  virtual Result<std::span<const float>> Forward(std::span<const float> input) = 0;
};

}  // namespace ndcao
