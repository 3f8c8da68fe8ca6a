// Writes networks as TorchScript files. Internal to evaluate/torch.
#pragma once

#include <span>
#include <string>

#include "ndcao/base/result.h"
#include "ndcao/evaluate/torch/load_model.h"

namespace ndcao {

/// See ExportNetwork. The file is complete when this returns.
Status ExportModel(const ModelRequest& request, std::span<const float> parameters,
                   const std::string& path);

}  // namespace ndcao
