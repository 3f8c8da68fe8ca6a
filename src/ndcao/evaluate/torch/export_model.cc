#include "ndcao/evaluate/torch/export_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <sstream>

#include "ndcao/evaluate/torch/build_module.h"
#include "ndcao/evaluate/torch/network_problem.h"
#include "ndcao/evaluate/torch/runtime.h"

namespace ndcao {

Result<std::string> ExportModel(const ModelRequest& request, std::span<const float> parameters) {
  NDCAO_ASSIGN(const auto network, LoadModel(request, 0));
  if (network->parameters().size() != parameters.size()) {
    return Invalid(fmt::format("model {} has {} parameters, but {} are given", request.model,
                               network->parameters().size(), parameters.size()));
  }
  std::copy(parameters.begin(), parameters.end(), network->parameters().begin());
  torch::jit::Module module = network->module();
  if (!IsModelFile(request.model)) {
    NDCAO_ASSIGN(const NetworkDescription zoo, DescribeZooModel(request.model, request.data));
    if (zoo.grid != WeightGrid::kNone) {
      NDCAO_ASSIGN(module, BuildIntegerModule(zoo, parameters));
    }
  }
  // LibTorch's own writer of files does not report a full disk.
  std::ostringstream bytes;
  NDCAO_TRY(CatchTorch("export", [&] { module.save(bytes); }));
  return std::move(bytes).str();
}

Result<std::string> ReadModelBytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file) return Invalid(fmt::format("--model {}: the file cannot be read", path));
  return bytes;
}

}  // namespace ndcao
