// Small networks with every way to use weights, and what is known of one when it is bound.
#pragma once

#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/script.h>

#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "ndcao/evaluate/torch/build_module.h"
#include "ndcao/evaluate/torch/probe_plan.h"
#include "ndcao/evaluate/torch/script_model.h"

namespace ndcao {

struct Network {
  const char* name;
  NetworkDescription description;
  std::vector<std::int64_t> input;  ///< Of one example.
  std::size_t sites = 1;
  std::size_t unprobed = 0;  ///< Tensors.
  std::int64_t outputs = 4;
  bool segments = true;

  friend void PrintTo(const Network& network, std::ostream* out) { *out << network.name; }
};

NetworkDescription Describe(const std::string& source,
                            std::vector<std::pair<const char*, std::vector<std::int64_t>>> tensors);

std::vector<Network> Networks();
/// The one of Networks() with this name.
Network NetworkNamed(const std::string& name);
/// Its first layer has fewer weights than activations.
Network FewWeights();

/// A bound network, its plan, and a tape that autograd can look through.
struct Fixture {
  std::unique_ptr<ScriptModel> model;
  torch::jit::Module twin;  ///< The same weights, for autograd.
  at::Tensor input;
  TorchPlan plan;
  OperationTape tape;

  explicit Fixture(const Network& network) {
    torch::jit::Module module = BuildModule(network.description, 1).value();
    twin = module.deepcopy();
    model = ScriptModel::Bind(std::move(module)).value();
    model->FixOperations();
    at::manual_seed(1);
    std::vector<std::int64_t> shape = network.input;
    shape.insert(shape.begin(), 5);
    input = at::randn(shape);
    const at::NoGradGuard no_gradients;
    const auto record = [&](const std::vector<std::uint32_t>& examples, OperationTape& to) {
      std::vector<at::Tensor> rows;
      for (const std::uint32_t i : examples) rows.push_back(input[i]);
      to = Record(at::stack(rows));
      return Ok();
    };
    const ParameterMemory memory(model->parameters());
    auto made = MakeProbePlan(
        record, {memory, model->layout(), static_cast<std::uint64_t>(network.outputs)});
    plan = made.ok() ? std::move(made).value() : TorchPlan{};
    error = made.ok() ? "" : made.error().message();
    tape = Record(input);
  }

  OperationTape Record(const at::Tensor& x) {
    return OperationTape::Record([&] { return Run(x); }, plan.keep, plan.spent);
  }
  at::Tensor Run(const at::Tensor& x) {
    const torch::jit::GraphOptimizerEnabledGuard as_written(false);
    return torch::jit::Module(model->module()).forward({x}).toTensor();
  }

  std::string error;
};

}  // namespace ndcao
