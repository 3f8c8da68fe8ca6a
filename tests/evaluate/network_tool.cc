// What the Python tests of TorchScript files ask of the library:
//
//   network_tool check MODEL BATCH_NORM          fits made-up data of 1 × 28 × 28 in 10 classes?
//                                                prints the tensors' names and sizes, or the error
//   network_tool export MODEL BATCH_NORM FOLDER  moves the parameters a little, writes model.pt,
//                                                inputs.bin and outputs.bin
#include <fmt/format.h>
#include <torch/script.h>

#include <cmath>
#include <cstdio>
#include <fstream>
#include <string>

#include "ndcao/evaluate/torch/export_model.h"
#include "ndcao/evaluate/torch/load_model.h"
#include "ndcao/evaluate/torch/network_problem.h"
#include "ndcao/evaluate/torch/runtime.h"

namespace ndcao {
namespace {

constexpr std::int64_t kExamples = 16;

void WriteFloats(const std::string& path, const at::Tensor& tensor) {
  const at::Tensor values = tensor.contiguous();
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(values.data_ptr<float>()),
             static_cast<std::streamsize>(values.nbytes()));
}

Status Check(const std::string& model, const std::string& batch_norm) {
  Examples examples;
  for (int i = 0; i < kExamples; ++i) {
    for (int j = 0; j < 784; ++j) {
      examples.bytes.push_back(static_cast<std::uint8_t>((i * 37 + j * 101 + i * j) % 256));
    }
    examples.labels.push_back(i % 10);
  }
  NDCAO_ASSIGN(Dataset data, Dataset::Create("made-up", {1, 28, 28}, 10, examples, examples));
  NDCAO_ASSIGN(const auto problem,
               MakeNetworkProblem({.model = model, .batch_norm = batch_norm},
                                  std::make_shared<const Dataset>(std::move(data))));
  for (const Tensor& tensor : problem->layout().tensors()) {
    fmt::print("{} {}\n", tensor.name, tensor.size);
  }
  return Ok();
}

Status Export(const std::string& model, const std::string& batch_norm, const std::string& folder) {
  NDCAO_ASSIGN(const BatchNorm kind, ParseBatchNorm(batch_norm));
  const ModelRequest request{model, {}, kind};
  NDCAO_ASSIGN(const auto network, LoadModel(request, 7));
  ParameterVector parameters(network->parameters().begin(), network->parameters().end());
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    parameters[i] += 0.02f * std::sin(static_cast<float>(i));
  }
  std::copy(parameters.begin(), parameters.end(), network->parameters().begin());
  at::Tensor input = at::empty({kExamples, 1, 28, 28});
  for (std::int64_t i = 0; i < input.numel(); ++i) {
    input.data_ptr<float>()[i] = std::sin(0.37f * static_cast<float>(i % 9973));
  }
  NDCAO_ASSIGN(const std::string bytes, ExportModel(request, parameters));
  std::ofstream(folder + "/model.pt", std::ios::binary) << bytes;
  return CatchTorch("forward pass", [&] {
    WriteFloats(folder + "/inputs.bin", input);
    WriteFloats(folder + "/outputs.bin", network->Forward(input));
  });
}

}  // namespace
}  // namespace ndcao

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  ndcao::Status status = ndcao::Invalid("network_tool: wrong arguments");
  if (words.size() == 3 && words[0] == "check") status = ndcao::Check(words[1], words[2]);
  if (words.size() == 4 && words[0] == "export") {
    status = ndcao::Export(words[1], words[2], words[3]);
  }
  if (status.ok()) return 0;
  fmt::print(stderr, "{}\n", status.error().message());
  return status.error().code() == ndcao::ErrorCode::kInvalid ? 2 : 1;
}
