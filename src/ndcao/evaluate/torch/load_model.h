// A network by name or file, bound to a flat vector.
#pragma once

#include <memory>
#include <string>

#include "ndcao/base/result.h"
#include "ndcao/data/dataset.h"
#include "ndcao/evaluate/torch/script_model.h"
#include "ndcao/evaluate/torch/zoo.h"

namespace ndcao {

/// Which network, and for what.
struct ModelRequest {
  /// A name of the zoo, or a TorchScript file (its name ends in .pt).
  std::string model;
  DataShape data;
  BatchNorm batch_norm = BatchNorm::kEval;
};

DataShape ShapeOf(const Dataset& data);
bool IsModelFile(const std::string& model);

/// What is known of the network beforehand: of a file, nothing.
NetworkDescription Describe(const ModelRequest& request);

/// Initial parameters: of the zoo, keyed by `seed`; of a file, as they were saved.
Result<std::unique_ptr<ScriptModel>> LoadModel(const ModelRequest& request, std::uint64_t seed);

}  // namespace ndcao
