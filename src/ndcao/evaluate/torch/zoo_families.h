// The builders behind BuildZooModel, one file for each family. Internal to evaluate/torch.
#pragma once

#include <torch/script.h>

#include <cstdint>
#include <string>
#include <vector>

#include "ndcao/base/result.h"
#include "ndcao/evaluate/torch/module_builder.h"
#include "ndcao/evaluate/torch/zoo.h"

namespace ndcao::zoo {

/// What a builder is asked for.
struct Request {
  std::string name;      ///< As given: "mlp:784-32-10".
  std::string argument;  ///< What follows the colon.
  DataShape data;
};

struct Image {
  std::int64_t channels = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
};

/// The example's shape as an image; the error says that the model needs one.
Result<Image> ImageOf(const Request& request);
/// Product of the example's shape.
std::int64_t FeaturesOf(const DataShape& data);
/// "784-256-10": two or more widths, of which the first fits the data's features and the last its
/// classes; the error says both.
Result<std::vector<std::int64_t>> ParseWidths(const Request& request);

Result<torch::jit::Module> BuildMlp(const Request& request, ModuleBuilder builder);
Result<torch::jit::Module> BuildCnn11k(const Request& request, ModuleBuilder builder);
Result<torch::jit::Module> BuildLeNet5(const Request& request, ModuleBuilder builder);
Result<torch::jit::Module> BuildResNet8(const Request& request, ModuleBuilder builder);
Result<torch::jit::Module> BuildResNet20(const Request& request, ModuleBuilder builder);
Result<torch::jit::Module> BuildLstm(const Request& request, ModuleBuilder builder);
Result<torch::jit::Module> BuildVitTiny(const Request& request, ModuleBuilder builder);
Result<torch::jit::Module> BuildBinaryMlp(const Request& request, ModuleBuilder builder);
Result<torch::jit::Module> BuildIntegerMlp(const Request& request, ModuleBuilder builder);

/// The values that the forward pass of BuildBinaryMlp makes of its parameters: −1 or +1.
at::Tensor BinaryWeights(at::Tensor parameters);
/// Likewise for BuildIntegerMlp: −127 to 127.
at::Tensor IntegerWeights(at::Tensor parameters);

}  // namespace ndcao::zoo
