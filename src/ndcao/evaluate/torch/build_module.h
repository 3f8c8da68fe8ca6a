// From a description to a TorchScript module. Internal to evaluate/torch.
#pragma once

#include <torch/script.h>

#include <cstdint>
#include <span>

#include "ndcao/base/result.h"
#include "ndcao/evaluate/torch/network_description.h"

namespace ndcao {

/// A module with initial parameters, keyed by `seed`.
Result<torch::jit::Module> BuildModule(const NetworkDescription& network, std::uint64_t seed);

/// A module with these parameters as int8 buffers, on the network's grid (not
/// kNone): what its forward pass makes of them anyway. `parameters` must fit.
Result<torch::jit::Module> BuildIntegerModule(const NetworkDescription& network,
                                              std::span<const float> parameters);

}  // namespace ndcao
