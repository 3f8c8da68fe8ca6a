// Trains a network of one's own, written with LibTorch's C++ classes, on Fashion-MNIST.
//
// The library trains TorchScript modules. A torch::nn module becomes one by way of its parameters:
// they are registered under their names, and the forward pass is written once, as TorchScript.
#include <torch/script.h>
#include <torch/torch.h>

#include <cstdio>
#include <fstream>

#include "ndcao/base/hash.h"
#include "ndcao/evaluate/torch/network_problem.h"
#include "ndcao/evaluate/torch/runtime.h"
#include "ndcao/journal/memory/memory_journal.h"
#include "ndcao/replica/replica.h"
#include "ndcao/worker/session.h"

namespace {

constexpr char kFile[] = "my_network.pt";

// Any shape and initialisation that torch::nn knows.
void SaveMyNetwork() {
  const torch::nn::Linear hidden(784, 32);
  const torch::nn::Linear out(32, 10);
  torch::jit::Module module("MyNetwork");
  module.register_parameter("w1", hidden->weight.detach(), false);
  module.register_parameter("b1", hidden->bias.detach(), false);
  module.register_parameter("w2", out->weight.detach(), false);
  module.register_parameter("b2", out->bias.detach(), false);
  module.define(R"(
    def forward(self, x):
        x = torch.tanh(torch.linear(x.flatten(1), self.w1, self.b1))
        return torch.linear(x, self.w2, self.b2)
  )");
  module.save(kFile);
}

ndcao::Result<ndcao::Score> Train() {
  NDCAO_ASSIGN(ndcao::Dataset loaded, ndcao::LoadDataset({.name = "fashion-mnist"}));
  NDCAO_ASSIGN(const auto problem,
               ndcao::MakeNetworkProblem(
                   {.model = kFile}, std::make_shared<const ndcao::Dataset>(std::move(loaded))));
  ndcao::RunSpec spec;
  spec.model = kFile;
  spec.budget = 500'000;  // image-forwards
  NDCAO_ASSIGN(const auto initial, problem->Initial(spec.seed));
  NDCAO_ASSIGN(ndcao::Replica replica, ndcao::Replica::Create(spec, problem->layout(), initial));
  ndcao::MemoryJournal journal;
  NDCAO_TRY(journal.Append(
      ndcao::SpecRecord{FormatRunSpec(spec), initial.size(), ndcao::DigestHex(initial)}));
  ndcao::SessionOptions options;
  options.threads = 1;
  ndcao::Session session(journal, replica, *problem, options);
  NDCAO_TRY(session.Run());
  NDCAO_ASSIGN(const std::string model, ndcao::ExportNetwork(*problem, *replica.parameters()));
  std::ofstream("trained.pt", std::ios::binary) << model;
  NDCAO_ASSIGN(const auto evaluator, problem->NewEvaluator());
  std::copy(replica.parameters()->begin(), replica.parameters()->end(),
            evaluator->parameters().begin());
  return evaluator->Test();
}

}  // namespace

int main() {
  ndcao::InitTorch();
  SaveMyNetwork();
  const auto score = Train();
  if (!score.ok()) {
    std::fprintf(stderr, "%s\n", score.error().message().c_str());
    return 1;
  }
  std::printf("test accuracy %.2f %%\n", 100 * score.value().accuracy);
}
