// What is known of the built-in networks without building one. (No Torch in this header.)
#pragma once

#include <string>
#include <vector>

namespace ndcao {

/// The forms of --model that exist, for help texts: "mlp:784-256-10", "lenet5", …
std::vector<std::string> ZooNames();

/// The size of a perturbation that suits the network: binary and integer networks need one that
/// crosses their steps. 0: the optimizer's own will do.
double DefaultSigma(const std::string& model);

}  // namespace ndcao
