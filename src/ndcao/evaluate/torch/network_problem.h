// A network, a data set and an objective, as a Problem.
#pragma once

#include <memory>
#include <string>

#include "ndcao/data/dataset.h"
#include "ndcao/evaluate/evaluator.h"
#include "ndcao/evaluate/objective.h"

namespace ndcao {

struct NetworkOptions {
  std::string model;  ///< A name of the zoo, or a TorchScript file (ends in .pt).
  std::string objective = "cross-entropy";
};

/// Builds the network once to check that it takes the data's examples and answers with one row of
/// `classes` outputs for each; the error says both shapes.
Result<std::unique_ptr<Problem>> MakeNetworkProblem(const NetworkOptions& options,
                                                    std::shared_ptr<const Dataset> data);

/// Writes the network with these parameters as a TorchScript file.
Status ExportNetwork(const std::string& model, std::span<const float> parameters,
                     const std::string& path);

}  // namespace ndcao
