// Prints the peak of resident memory, in bytes above start, of training a network of the zoo by
// backpropagation and Adam in LibTorch: what `ndcao bench memory` compares itself with.
#include <fmt/format.h>
#include <torch/torch.h>

#include <CLI/CLI.hpp>

#include "ndcao/cli/peak_memory.h"
#include "ndcao/data/dataset.h"
#include "ndcao/evaluate/torch/build_module.h"
#include "ndcao/evaluate/torch/load_model.h"
#include "ndcao/evaluate/torch/runtime.h"
#include "ndcao/evaluate/torch/zoo.h"

namespace ndcao {
namespace {

constexpr int kSteps = 3;  // Adam's moments exist after the first

struct Options {
  std::string model = "resnet20";
  std::string data = "fashion-mnist";
  std::string data_dir;
  std::int64_t batch = 256;
};

void Train(torch::jit::Module& module, const Dataset& data, std::int64_t batch) {
  std::vector<at::Tensor> parameters;
  for (const auto& parameter : module.parameters()) {
    parameters.push_back(parameter.set_requires_grad(true));
  }
  torch::optim::Adam adam(parameters, torch::optim::AdamOptions(1e-3));
  std::vector<std::int64_t> shape = data.shape();
  shape.insert(shape.begin(), batch);
  const at::Tensor input = at::randn(shape);
  const at::Tensor labels = at::randint(0, data.classes(), {batch});
  for (int step = 0; step < kSteps; ++step) {
    adam.zero_grad();
    const at::Tensor output = module.forward({input}).toTensor();
    at::cross_entropy_loss(output, labels).backward();
    adam.step();
  }
}

Result<std::uint64_t> Measure(const Options& options) {
  InitTorch();
  DataOptions where;
  where.name = options.data;
  where.directory = options.data_dir;
  NDCAO_ASSIGN(const Dataset data, LoadDataset(where));
  NDCAO_ASSIGN(const NetworkDescription network, DescribeZooModel(options.model, ShapeOf(data)));
  NDCAO_ASSIGN(torch::jit::Module module, BuildModule(network, 1));
  const PeakMemory memory;
  if (!memory.restarted()) return Failed("this kernel does not restart VmHWM");
  NDCAO_TRY(CatchTorch("Adam", [&] { Train(module, data, options.batch); }));
  return memory.above_start();
}

}  // namespace
}  // namespace ndcao

int main(int argc, char** argv) {
  ndcao::Options options;
  CLI::App app("Peak memory of Adam in LibTorch, in bytes above start.");
  app.add_option("--model", options.model, "A network of the zoo");
  app.add_option("--data", options.data, "A data set");
  app.add_option("--data-dir", options.data_dir, "Where it is");
  app.add_option("--batch", options.batch, "Examples of a step")->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  const auto bytes = ndcao::Measure(options);
  if (!bytes.ok()) return fmt::print(stderr, "adam_memory: {}\n", bytes.error().message()), 1;
  fmt::print("{}\n", bytes.value());
}
