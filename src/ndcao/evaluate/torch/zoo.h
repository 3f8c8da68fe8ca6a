// The built-in networks, written as TorchScript, so that they go the same way as a user's file:
// bound, trained and exported by the same code. docs/networks.md describes each.
#pragma once

#include <torch/script.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ndcao/base/result.h"
#include "ndcao/evaluate/torch/model_defaults.h"

namespace ndcao {

/// What a network is for: the shape of one example and the number of classes.
struct DataShape {
  std::vector<std::int64_t> example = {1, 28, 28};
  std::int64_t classes = 10;
};

/// Builds a network by name (interface: --model) for such data. Parameters hold their initial
/// values, keyed by `seed`. An unknown name is an error that lists what exists; a network that
/// cannot take such data is an error that says both shapes.
Result<torch::jit::Module> BuildZooModel(const std::string& name, const DataShape& data,
                                         std::uint64_t seed);

/// The network as it is exported. Binary and integer networks get these parameters as int8 buffers,
/// rounded as their forward pass rounds them; `parameters` must fit. Nothing for the others, which
/// are exported as they are trained.
Result<std::optional<torch::jit::Module>> BuildIntegerExport(const std::string& name,
                                                             const DataShape& data,
                                                             std::span<const float> parameters);

}  // namespace ndcao
