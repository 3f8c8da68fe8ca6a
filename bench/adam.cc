// What backpropagation reaches: a network of the zoo trained by Adam through LibTorch's autograd,
// with the initial parameters, the data and the order of examples that ndcao uses. A baseline, not
// a part of the library, which takes no gradients.
//
//   build/release/bench/adam --model lenet5 --data fashion-mnist --epochs 5 --rate 1e-3
#include <fmt/format.h>
#include <torch/torch.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>
#include <numeric>

#include "batch_tensors.h"
#include "ndcao/data/dataset.h"
#include "ndcao/data/sampler.h"
#include "ndcao/evaluate/torch/build_module.h"
#include "ndcao/evaluate/torch/load_model.h"
#include "ndcao/evaluate/torch/runtime.h"

namespace ndcao {
namespace {

struct Options {
  std::string model = "mlp:784-256-10";
  std::string data = "fashion-mnist";
  std::string data_dir;
  std::uint32_t hold_out = 0;
  std::uint32_t batch = 128;
  int epochs = 10;
  double rate = 2e-3;
  bool half = false;
  std::uint64_t seed = 1;
  int threads = 1;
};

class Baseline {
 public:
  Baseline(const Options& options, Dataset data, torch::jit::Module module)
      : options_(options), data_(std::move(data)), module_(std::move(module)) {
    std::vector<at::Tensor> parameters;
    for (const auto& parameter : module_.parameters()) {
      parameters.push_back(parameter.set_requires_grad(true));
    }
    adam_ =
        std::make_unique<torch::optim::Adam>(parameters, torch::optim::AdamOptions(options.rate));
  }

  nlohmann::ordered_json Run() {
    std::vector<std::uint32_t> order(data_.train().size());
    const std::uint32_t steps = data_.train().size() / options_.batch;
    const double all = static_cast<double>(steps) * options_.epochs;
    nlohmann::ordered_json epochs = nlohmann::ordered_json::array();
    double seconds = 0;
    double accuracy = 0;
    for (int epoch = 0; epoch < options_.epochs; ++epoch) {
      const auto begin = std::chrono::steady_clock::now();
      ShuffleExamples(options_.seed, static_cast<std::uint64_t>(epoch), order);
      for (std::uint32_t step = 0; step < steps; ++step) {
        const double done = (static_cast<double>(epoch) * steps + step) / all;
        Step(std::span(order).subspan(step * options_.batch, options_.batch),
             options_.rate * Schedule(done));
      }
      seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
      accuracy = Test();
      epochs.push_back({{"seconds", seconds}, {"test_accuracy", accuracy}});
    }
    return {{"test_accuracy", accuracy},
            {"wall_seconds", seconds},
            {"rate", options_.rate},
            {"epochs", epochs}};
  }

 private:
  double Schedule(double done) const {
    return options_.half ? 0.5 * (1 + std::cos(std::numbers::pi * done))
                         : std::cos(0.5 * std::numbers::pi * done);
  }

  void Step(std::span<const std::uint32_t> examples, double rate) {
    static_cast<torch::optim::AdamOptions&>(adam_->param_groups()[0].options()).lr(rate);
    adam_->zero_grad();
    const at::Tensor output =
        module_.forward({InputTensor(data_, data_.train(), examples)}).toTensor();
    torch::nn::functional::cross_entropy(output, LabelTensor(data_.train(), examples)).backward();
    adam_->step();
  }

  double Test() {
    const torch::NoGradGuard no_gradients;
    std::int64_t correct = 0;
    for (std::uint32_t begin = 0; begin < data_.test().size(); begin += 500) {
      std::vector<std::uint32_t> some(std::min(500u, data_.test().size() - begin));
      std::iota(some.begin(), some.end(), begin);
      const at::Tensor output =
          module_.forward({InputTensor(data_, data_.test(), some)}).toTensor();
      correct += output.argmax(1).eq(LabelTensor(data_.test(), some)).sum().item<std::int64_t>();
    }
    return static_cast<double>(correct) / data_.test().size();
  }

  Options options_;
  Dataset data_;
  torch::jit::Module module_;
  std::unique_ptr<torch::optim::Adam> adam_;
};

Status Train(const Options& options) {
  DataOptions where;
  where.name = options.data;
  where.directory = options.data_dir;
  where.hold_out = options.hold_out;
  NDCAO_ASSIGN(Dataset data, LoadDataset(where));
  NDCAO_ASSIGN(const auto network, DescribeZooModel(options.model, ShapeOf(data)));
  NDCAO_ASSIGN(torch::jit::Module module, BuildModule(network, options.seed));
  fmt::print("{}\n", Baseline(options, std::move(data), std::move(module)).Run().dump());
  return Ok();
}

}  // namespace
}  // namespace ndcao

int main(int argc, char** argv) {
  ndcao::Options options;
  CLI::App app("Adam through autograd, as a baseline; prints one JSON object.");
  app.add_option("--model", options.model, "A network of the zoo");
  app.add_option("--data", options.data, "As for ndcao train");
  app.add_option("--data-dir", options.data_dir, "Where its files lie");
  app.add_option("--hold-out", options.hold_out, "Take the last N training examples as test set");
  app.add_option("--batch", options.batch, "Examples in a step")->check(CLI::PositiveNumber);
  app.add_option("--epochs", options.epochs, "Passes of the training set");
  app.add_option("--rate", options.rate,
                 "Learning rate; it falls to 0 along a quarter of a cosine");
  app.add_flag("--half-cosine", options.half, "It falls along half a cosine instead");
  app.add_option("--seed", options.seed, "Of initial parameters and order");
  app.add_option("--threads", options.threads, "Intra-operation threads");
  CLI11_PARSE(app, argc, argv);
  ndcao::InitTorch();
  at::set_num_threads(options.threads);
  const ndcao::Status status = ndcao::Train(options);
  if (status.ok()) return 0;
  fmt::print(stderr, "adam: {}\n", status.error().message());
  return 2;
}
