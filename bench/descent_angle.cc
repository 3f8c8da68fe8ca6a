// The angle between the mean step of the default optimizer and the negative gradient, for every
// split of a network. The gradient is taken by LibTorch's autograd; the steps are the library's
// (NoiseStatistics, PerturbationStream), on the same examples.
//
//   descent_angle --model mlp:784-8-10 --data fashion-mnist --probes 64000
//
// Predicted: the mean of N probes is the gradient and noise of |g| in every coordinate, so the
// cosine within a block is 1/√(1 + d_i |g|² / (N |g_i|²)). A table, then one line of JSON.
#include <fmt/format.h>
#include <torch/torch.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "batch_tensors.h"
#include "ndcao/block/noise_statistics.h"
#include "ndcao/data/dataset.h"
#include "ndcao/evaluate/torch/build_module.h"
#include "ndcao/evaluate/torch/load_model.h"
#include "ndcao/evaluate/torch/network_problem.h"
#include "ndcao/evaluate/torch/runtime.h"
#include "ndcao/params/partition.h"
#include "ndcao/random/perturbation_stream.h"

namespace ndcao {
namespace {

constexpr std::uint64_t kSeed = 1;
constexpr std::uint32_t kEvaluations = 64;

struct Flags {
  std::string model = "mlp:784-8-10";
  DataOptions data;
  int probes = 64000;
  std::uint32_t examples = 64;
  double sigma = 3e-3;
};

/// By autograd, in the order of the layout.
Result<std::vector<double>> Gradient(const std::string& model, const Dataset& data,
                                     std::span<const std::uint32_t> examples) {
  NDCAO_ASSIGN(const NetworkDescription network, DescribeZooModel(model, ShapeOf(data)));
  NDCAO_ASSIGN(torch::jit::Module module, BuildModule(network, kSeed));
  std::vector<double> gradient;
  NDCAO_TRY(CatchTorch("autograd", [&] {
    for (auto parameter : module.parameters()) parameter.set_requires_grad(true);
    const at::Tensor output =
        module.forward({InputTensor(data, data.train(), examples)}).toTensor();
    at::cross_entropy_loss(output, LabelTensor(data.train(), examples)).backward();
    for (const auto& parameter : module.named_parameters()) {
      const at::Tensor flat = parameter.value.grad().contiguous();
      const std::span values(flat.data_ptr<float>(), static_cast<std::size_t>(flat.numel()));
      gradient.insert(gradient.end(), values.begin(), values.end());
    }
  }));
  return gradient;
}

/// The mean move per unit of η M, over the groups: an estimate of the negative gradient.
Result<ParameterVector> MeanStep(Evaluator& evaluator, const ParameterVector& theta, int groups,
                                 float sigma) {
  const PerturbationStream stream(1);
  ParameterVector step(theta.size(), 0.0f);
  std::copy(theta.begin(), theta.end(), evaluator.parameters().begin());
  NDCAO_ASSIGN(const double centre, evaluator.Loss({}, {}));
  StepContext context;
  NoiseStatistics statistics(context);
  for (int t = 0; t < groups; ++t) {
    const TrialId trial = TrialId::Sync(static_cast<std::uint64_t>(t), 0);
    std::vector<float> losses;
    for (std::uint32_t k = 0; k < kEvaluations; ++k) {
      stream.Perturb(trial, k, sigma, 0, theta, evaluator.parameters());
      NDCAO_ASSIGN(const double loss, evaluator.Loss(trial, {}));
      losses.push_back(static_cast<float>(loss));
    }
    statistics.Add(static_cast<float>(centre), losses, sigma);
    stream.Accumulate(trial, statistics.Coefficients(1.0 / kEvaluations / groups, losses), 0, step);
  }
  return step;
}

struct Angles {
  std::size_t blocks = 0;
  std::size_t silent = 0;  // no gradient, so no angle: units that no example reaches
  double least = 1, predicted_of_least = 1, mean = 0, predicted_mean = 0;
  std::size_t positive = 0;
};

Angles Compare(const Partition& partition, const std::vector<double>& gradient,
               const ParameterVector& step, double probes) {
  const double whole = std::inner_product(gradient.begin(), gradient.end(), gradient.begin(), 0.0);
  Angles angles;
  for (const Block& block : partition.blocks()) {
    double gg = 0, ss = 0, gs = 0;
    for (const Run& run : block.slice.runs()) {
      for (std::uint64_t i = run.local; i < run.local + run.length; ++i) {
        gg += gradient[i] * gradient[i];
        ss += static_cast<double>(step[i]) * step[i];
        gs -= gradient[i] * step[i];
      }
    }
    if (gg < 1e-6 * whole) {
      ++angles.silent;
      continue;
    }
    const double cosine = gs / std::sqrt(gg * ss);
    const double predicted =
        1 / std::sqrt(1 + static_cast<double>(block.slice.size()) * whole / (probes * gg));
    ++angles.blocks;
    if (cosine > 0) ++angles.positive;
    if (cosine < angles.least) angles.least = cosine, angles.predicted_of_least = predicted;
    angles.mean += cosine;
    angles.predicted_mean += predicted;
  }
  angles.mean /= static_cast<double>(std::max<std::size_t>(1, angles.blocks));
  angles.predicted_mean /= static_cast<double>(std::max<std::size_t>(1, angles.blocks));
  return angles;
}

Status Measure(const Flags& flags) {
  InitTorch();
  NDCAO_ASSIGN(Dataset loaded, LoadDataset(flags.data));
  const auto data = std::make_shared<const Dataset>(std::move(loaded));
  NDCAO_ASSIGN(const auto problem, MakeNetworkProblem({flags.model}, data));
  NDCAO_ASSIGN(const ParameterVector theta, problem->Initial(kSeed));
  NDCAO_ASSIGN(const auto evaluator, problem->NewEvaluator());
  std::vector<std::uint32_t> examples(flags.examples);
  std::iota(examples.begin(), examples.end(), 0u);
  NDCAO_TRY(evaluator->Select(examples));
  NDCAO_ASSIGN(const std::vector<double> gradient, Gradient(flags.model, *data, examples));
  const int groups = std::max(1, flags.probes / static_cast<int>(kEvaluations));
  NDCAO_ASSIGN(const ParameterVector step,
               MeanStep(*evaluator, theta, groups, static_cast<float>(flags.sigma)));
  const double probes = static_cast<double>(groups) * kEvaluations;
  fmt::print("{}: {} parameters, {} probes\n{:<12} {:>6} {:>7} {:>9} {:>14} {:>10} {:>14} {:>10}\n",
             flags.model, theta.size(), probes, "split", "blocks", "silent", "positive",
             "least cosine", "predicted", "mean cosine", "predicted");
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const char* split : {"single", "tensor", "layer", "unit", "random:16", "size:100"}) {
    NDCAO_ASSIGN(const Partition partition, MakePartition(split, "", problem->layout(), 1));
    const Angles a = Compare(partition, gradient, step, probes);
    fmt::print("{:<12} {:>6} {:>7} {:>9} {:>14.4f} {:>10.4f} {:>14.4f} {:>10.4f}\n", split,
               a.blocks, a.silent, a.positive, a.least, a.predicted_of_least, a.mean,
               a.predicted_mean);
    rows.push_back({{"split", split},
                    {"blocks", a.blocks},
                    {"silent", a.silent},
                    {"positive", a.positive},
                    {"least_cosine", a.least},
                    {"predicted_of_least", a.predicted_of_least},
                    {"mean_cosine", a.mean},
                    {"predicted_mean", a.predicted_mean}});
  }
  fmt::print(
      "{}\n",
      nlohmann::ordered_json{
          {"model", flags.model}, {"parameters", theta.size()}, {"probes", probes}, {"rows", rows}}
          .dump());
  return Ok();
}

}  // namespace
}  // namespace ndcao

int main(int argc, char** argv) {
  CLI::App app("The angle between the mean step and the negative gradient, for every split");
  ndcao::Flags flags;
  flags.data.name = "fashion-mnist";
  app.add_option("--model", flags.model, "a network of the zoo")->capture_default_str();
  app.add_option("--data", flags.data.name, "mnist or fashion-mnist")->capture_default_str();
  app.add_option("--data-dir", flags.data.directory, "where its files lie");
  app.add_option("--probes", flags.probes, "evaluations behind the mean step")
      ->check(CLI::Range(64, 1'000'000'000))
      ->capture_default_str();
  app.add_option("--examples", flags.examples, "training examples behind each loss")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  app.add_option("--sigma", flags.sigma, "how far a probe moves each parameter")
      ->check(CLI::Range(1e-5, 1.0))
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  const ndcao::Status done = ndcao::Measure(flags);
  if (done.ok()) return 0;
  fmt::print(stderr, "descent_angle: {}\n", done.error().message());
  return 1;
}
