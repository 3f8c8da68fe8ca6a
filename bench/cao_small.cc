// `cao` on 490 parameters: mlp 49-8-10 (tanh) on the first 1,000 training images, averaged over
// 4×4 squares to 7×7, every evaluation on all of them. Train loss after a number of evaluations,
// with random search at several radii beside it. A table, then one line of JSON.
//
//   cao_small --data mnist --data-dir DIR --evaluations 3000 --seeds 5
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "ndcao/base/executor.h"
#include "ndcao/block/block_optimizer.h"
#include "ndcao/data/dataset.h"
#include "ndcao/params/parameter_vector.h"
#include "ndcao/params/partition.h"
#include "ndcao/random/sequence.h"

namespace ndcao {
namespace {

constexpr int kImages = 1000;
constexpr int kSide = 7, kPool = 4, kInputs = kSide * kSide, kHidden = 8, kClasses = 10;
// Offsets in θ: hidden weights (input-major), their biases, output weights, their biases.
constexpr int kBias1 = kInputs * kHidden, kWeights2 = kBias1 + kHidden;
constexpr int kBias2 = kWeights2 + kHidden * kClasses, kSize = kBias2 + kClasses;

struct Images {
  std::vector<float> pixels;  // kImages × kInputs
  std::vector<std::int32_t> labels;
};

Result<Images> LoadImages(const DataOptions& options) {
  NDCAO_ASSIGN(const Dataset data, LoadDataset(options));
  constexpr int kFullSide = kSide * kPool;
  if (data.features() != kFullSide * kFullSide || data.train().size() < kImages) {
    return Invalid(fmt::format("data set '{}': {} images of {} x {} pixels are wanted", data.name(),
                               kImages, kFullSide, kFullSide));
  }
  std::vector<std::uint32_t> indices(kImages);
  std::iota(indices.begin(), indices.end(), 0u);
  std::vector<float> full(indices.size() * data.features());
  data.Gather(data.train(), indices, full);
  Images images{std::vector<float>(kImages * kInputs, 0.0f),
                {data.train().labels.begin(), data.train().labels.begin() + kImages}};
  for (int i = 0; i < kImages; ++i) {
    for (int pixel = 0; pixel < kFullSide * kFullSide; ++pixel) {
      const int row = pixel / kFullSide / kPool, column = pixel % kFullSide / kPool;
      images.pixels[i * kInputs + row * kSide + column] +=
          full[i * kFullSide * kFullSide + pixel] / (kPool * kPool);
    }
  }
  return images;
}

// Cross-entropy of one image.
double ImageLoss(const float* pixels, std::int32_t label, const float* theta) {
  float hidden[kHidden], out[kClasses];
  std::copy_n(theta + kBias1, kHidden, hidden);
  for (int i = 0; i < kInputs; ++i) {
    for (int j = 0; j < kHidden; ++j) hidden[j] += pixels[i] * theta[i * kHidden + j];
  }
  std::copy_n(theta + kBias2, kClasses, out);
  for (int j = 0; j < kHidden; ++j) {
    const float active = std::tanh(hidden[j]);
    for (int c = 0; c < kClasses; ++c) out[c] += active * theta[kWeights2 + j * kClasses + c];
  }
  const float greatest = *std::max_element(out, out + kClasses);
  double sum = 0;
  for (const float o : out) sum += std::exp(o - greatest);
  return std::log(sum) + greatest - out[label];
}

double Loss(const Images& images, std::span<const float> theta) {
  double sum = 0;
  for (int i = 0; i < kImages; ++i) {
    sum += ImageLoss(&images.pixels[i * kInputs], images.labels[i], theta.data());
  }
  return sum / kImages;
}

// Weights N(0, 1/fan-in), biases 0.
ParameterVector Initial(std::uint64_t seed) {
  RandomSequence random(seed, Purpose::kInit, 0);
  ParameterVector theta(kSize, 0.0f);
  for (int i = 0; i < kBias1; ++i) {
    theta[i] = static_cast<float>(random.Normal() / std::sqrt(double{kInputs}));
  }
  for (int i = kWeights2; i < kBias2; ++i) {
    theta[i] = static_cast<float>(random.Normal() / std::sqrt(double{kHidden}));
  }
  return theta;
}

/// One line of the table.
struct Method {
  std::string name;
  std::uint32_t blocks;
  BlockOptions options;
  GroupShape shape;
};

double Train(const Images& images, const Method& method, std::uint64_t seed, int evaluations) {
  ParameterVector theta = Initial(seed);
  const Partition partition = PartitionRandom(Layout::Flat(kSize), method.blocks, seed).value();
  std::vector<std::unique_ptr<BlockOptimizer>> blocks;
  for (const Block& block : partition.blocks()) {
    const std::uint64_t key = block.slice.runs().front().global;
    blocks.push_back(
        MakeOptimizer(method.options, {block.slice, seed, key, kSize, method.shape}, theta));
  }
  const int groups = evaluations / static_cast<int>(method.shape.evaluations + 1);
  SerialExecutor executor;
  for (int t = 0; t < groups; ++t) {
    const TrialId trial = TrialId::Sync(t, 0);
    std::vector<std::shared_ptr<const Proposal>> proposals;
    ParameterVector point = theta;
    for (const auto& block : blocks) proposals.push_back(block->Propose(trial, 0));
    for (const auto& proposal : proposals) proposal->Place(point);
    const auto centre = static_cast<float>(Loss(images, point));
    std::vector<float> losses;
    ParameterVector perturbed(kSize);
    for (std::uint32_t k = 0; k < method.shape.evaluations; ++k) {
      for (const auto& proposal : proposals) proposal->Perturb(k, point, perturbed);
      losses.push_back(static_cast<float>(Loss(images, perturbed)));
    }
    const std::uint64_t version = static_cast<std::uint64_t>(t);
    for (const auto& block : blocks) {
      block->Observe({trial, version, version + 1, double(t), double(groups), centre, losses},
                     theta, theta, executor);
    }
  }
  return Loss(images, theta);
}

std::vector<Method> Methods() {
  std::vector<Method> methods;
  for (const CaoEstimator estimator : {CaoEstimator::kLinear, CaoEstimator::kMonomial}) {
    for (const std::uint32_t blocks : {1u, 8u}) {
      OptimizerDefaults cao = DefaultsFor("cao").value();
      cao.options.cao.estimator = estimator;
      const char* name = estimator == CaoEstimator::kLinear ? "cao linear" : "cao monomial";
      methods.push_back({name, blocks, cao.options, cao.shape});
    }
  }
  for (const double radius : {0.02, 0.05, 0.1}) {
    OptimizerDefaults random = DefaultsFor("random-search").value();
    random.options.peer.rate = radius;
    random.shape.evaluations = 4;  // better than its default 16 at so few evaluations
    methods.push_back({fmt::format("random-search {}", radius), 1, random.options, random.shape});
  }
  return methods;
}

int Compare(const DataOptions& data, int evaluations, int seeds) {
  const Result<Images> images = LoadImages(data);
  if (!images.ok()) {
    fmt::print(stderr, "cao_small: {}\n", images.error().message());
    return 2;
  }
  nlohmann::json rows = nlohmann::json::array();
  fmt::print("{:<20} {:>6} {:>8}  {}\n", "method", "blocks", "median", "train loss of each seed");
  for (const Method& method : Methods()) {
    std::vector<double> losses;
    for (int seed = 1; seed <= seeds; ++seed) {
      losses.push_back(Train(images.value(), method, seed, evaluations));
    }
    std::vector<double> sorted = losses;
    std::sort(sorted.begin(), sorted.end());
    const double median = sorted[sorted.size() / 2];
    fmt::print("{:<20} {:>6} {:>8.4f}  {:.4f}\n", method.name, method.blocks, median,
               fmt::join(losses, " "));
    std::fflush(stdout);
    rows.push_back({{"method", method.name},
                    {"blocks", method.blocks},
                    {"median", median},
                    {"train_loss", losses}});
  }
  const nlohmann::json report = {
      {"data", data.name}, {"parameters", kSize}, {"evaluations", evaluations}, {"rows", rows}};
  fmt::print("{}\n", report.dump());
  return 0;
}

}  // namespace
}  // namespace ndcao

int main(int argc, char** argv) {
  CLI::App app("cao on 490 parameters: train loss at equal evaluations");
  ndcao::DataOptions data;
  data.name = "fashion-mnist";
  int evaluations = 3000, seeds = 5;
  app.add_option("--data", data.name, "mnist or fashion-mnist")->capture_default_str();
  app.add_option("--data-dir", data.directory, "where its files lie");
  app.add_option("--evaluations", evaluations, "of the loss")
      ->check(CLI::Range(20, 100'000'000))
      ->capture_default_str();
  app.add_option("--seeds", seeds, "1 to this")->check(CLI::Range(1, 1000))->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  return ndcao::Compare(data, evaluations, seeds);
}
