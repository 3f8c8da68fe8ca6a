#include "ndcao/evaluate/torch/zoo.h"

#include <fmt/format.h>

#include <functional>

#include "ndcao/evaluate/torch/runtime.h"
#include "ndcao/evaluate/torch/zoo_families.h"

namespace ndcao {
namespace {

struct Family {
  const char* form;    // as shown to people
  const char* prefix;  // "mlp:", or a whole name
  Result<torch::jit::Module> (*build)(const zoo::Request& request, ModuleBuilder builder);
  double sigma = 0;                              // see DefaultSigma
  at::Tensor (*integers)(at::Tensor) = nullptr;  // how parameters are rounded, if they are
};

const std::vector<Family>& Families() {
  static const auto& families = *new std::vector<Family>{
      {"mlp:784-256-10", "mlp:", zoo::BuildMlp},
      {"lenet5", "lenet5", zoo::BuildLeNet5},
      {"cnn11k", "cnn11k", zoo::BuildCnn11k},
      {"resnet8", "resnet8", zoo::BuildResNet8},
      {"resnet20", "resnet20", zoo::BuildResNet20},
      {"lstm:28x128", "lstm:", zoo::BuildLstm},
      {"vit-tiny", "vit-tiny", zoo::BuildVitTiny},
      {"bnn:784-256-10", "bnn:", zoo::BuildBinaryMlp, 0.1, zoo::BinaryWeights},
      {"int8-mlp:784-256-10", "int8-mlp:", zoo::BuildIntegerMlp, 2, zoo::IntegerWeights},
  };
  return families;
}

const Family* FindFamily(const std::string& name) {
  for (const Family& family : Families()) {
    const std::string prefix = family.prefix;
    const bool takes_argument = prefix.back() == ':';
    if (takes_argument ? name.starts_with(prefix) : name == prefix) return &family;
  }
  return nullptr;
}

Result<torch::jit::Module> Build(const Family& family, const std::string& name,
                                 const DataShape& data, ModuleBuilder builder) {
  const zoo::Request request{name, name.substr(std::string(family.prefix).size()), data};
  Result<torch::jit::Module> module = Failed("not built");
  NDCAO_TRY(
      CatchTorch("--model " + name, [&] { module = family.build(request, std::move(builder)); }));
  return module;
}

}  // namespace

Result<torch::jit::Module> BuildZooModel(const std::string& name, const DataShape& data,
                                         std::uint64_t seed) {
  if (const Family* family = FindFamily(name)) {
    return Build(*family, name, data, ModuleBuilder(seed));
  }
  return Invalid(fmt::format("--model {}: unknown; allowed: {} or a TorchScript FILE.pt", name,
                             fmt::join(ZooNames(), ", ")));
}

Result<std::optional<torch::jit::Module>> BuildIntegerExport(const std::string& name,
                                                             const DataShape& data,
                                                             std::span<const float> parameters) {
  const Family* family = FindFamily(name);
  if (family == nullptr || family->integers == nullptr) {
    return std::optional<torch::jit::Module>();
  }
  ModuleBuilder builder(0);
  builder.StoreIntegers(parameters, family->integers);
  NDCAO_ASSIGN(torch::jit::Module module, Build(*family, name, data, std::move(builder)));
  return std::optional<torch::jit::Module>(std::move(module));
}

std::vector<std::string> ZooNames() {
  std::vector<std::string> names;
  for (const Family& family : Families()) names.emplace_back(family.form);
  return names;
}

double DefaultSigma(const std::string& model) {
  const Family* family = FindFamily(model);
  return family == nullptr ? 0 : family->sigma;
}

}  // namespace ndcao
