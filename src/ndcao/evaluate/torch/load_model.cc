#include "ndcao/evaluate/torch/load_model.h"

#include <fmt/format.h>

#include <filesystem>

#include "ndcao/evaluate/torch/build_module.h"
#include "ndcao/evaluate/torch/runtime.h"

namespace ndcao {
namespace {

Result<torch::jit::Module> LoadFile(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    return Invalid(fmt::format("--model {}: there is no such file", path));
  }
  torch::jit::Module module;
  const Status loaded = CatchTorch("", [&] { module = torch::jit::load(path, at::kCPU); });
  if (loaded.ok()) return module;
  return Invalid(
      fmt::format("--model {}: not a TorchScript file, as "
                  "torch.jit.script(module).save(\"file.pt\") writes it "
                  "({})",
                  path, loaded.error().message()));
}

Result<torch::jit::Module> BuildZooModel(const ModelRequest& request, std::uint64_t seed) {
  NDCAO_ASSIGN(const NetworkDescription network, DescribeZooModel(request.model, request.data));
  return BuildModule(network, seed);
}

}  // namespace

DataShape ShapeOf(const Dataset& data) { return {data.shape(), data.classes()}; }

bool IsModelFile(const std::string& model) { return model.ends_with(".pt"); }

NetworkDescription Describe(const ModelRequest& request) {
  if (IsModelFile(request.model)) return {};
  auto network = DescribeZooModel(request.model, request.data);
  return network.ok() ? std::move(network).value() : NetworkDescription();
}

Result<std::unique_ptr<ScriptModel>> LoadModel(const ModelRequest& request, std::uint64_t seed) {
  NDCAO_ASSIGN(torch::jit::Module module,
               IsModelFile(request.model) ? LoadFile(request.model) : BuildZooModel(request, seed));
  return ScriptModel::Bind(std::move(module), request.batch_norm);
}

}  // namespace ndcao
