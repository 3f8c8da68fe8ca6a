// Networks as TorchScript files. Internal to evaluate/torch.
#pragma once

#include <span>
#include <string>

#include "ndcao/base/result.h"
#include "ndcao/evaluate/torch/load_model.h"

namespace ndcao {

/// See ExportNetwork.
Result<std::string> ExportModel(const ModelRequest& request, std::span<const float> parameters);

}  // namespace ndcao
