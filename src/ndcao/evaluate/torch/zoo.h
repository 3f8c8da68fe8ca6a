// The built-in networks, written as TorchScript, so that they go the same way
// as a user's file: bound, trained and exported by the same code.
// docs/networks.md describes each. (No Torch in this header.)
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ndcao/base/result.h"
#include "ndcao/evaluate/torch/network_description.h"

namespace ndcao {

/// What a network is for: the shape of one example and the number of classes.
struct DataShape {
  std::vector<std::int64_t> example = {1, 28, 28};
  std::int64_t classes = 10;
};

/// A network by name (interface: --model) for such data. An unknown name is an error that lists
/// what exists; a network that cannot take such data is an error that says both shapes.
Result<NetworkDescription> DescribeZooModel(const std::string& name, const DataShape& data);

/// The forms of names that exist, for help texts: "mlp:784-256-10", "lenet5", …
std::vector<std::string> ZooNames();

/// The size of a perturbation that suits the network: binary and integer
/// networks need one that crosses their steps. 0: the optimizer's own will do.
double DefaultSigma(const std::string& model);

}  // namespace ndcao
