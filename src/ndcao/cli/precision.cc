#include "ndcao/cli/precision.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace ndcao {
namespace {

// Values in [2^e, 2^(e+1)) are 2^(e-7) apart.
constexpr int kFractionBits = 7;
// Weights beyond this many root mean squares are few.
constexpr double kReach = 4;

double RootMeanSquare(std::span<const float> values) {
  double sum = 0;
  for (const float x : values) sum += static_cast<double>(x) * x;
  return std::sqrt(sum / static_cast<double>(values.size()));
}

// The rounding step of bfloat16 at the large weights of the tensor whose weights are largest.
double LargestStep(const Layout& layout, std::span<const float> parameters) {
  double size = 0;
  for (const Tensor& tensor : layout.tensors()) {
    size = std::max(size, RootMeanSquare(parameters.subspan(tensor.offset, tensor.size)));
  }
  return size == 0 ? 0 : std::exp2(std::floor(std::log2(kReach * size)) - kFractionBits);
}

Status CheckSigma(const char* flag, double sigma, double least) {
  if (sigma >= least) return Ok();
  return Invalid(
      fmt::format("{} {}: bfloat16 tells the network's weights apart in steps of {:.2g}, which "
                  "would swallow it; allowed with --precision bf16: {:.2g} or more",
                  flag, sigma, least, least));
}

void RaiseSigma(double least, BlockOptions& options) {
  if (options.frozen) return;
  options.sigma = std::max(options.sigma, least);
  if (options.sigma_end > 0) options.sigma_end = std::max(options.sigma_end, least);
}

}  // namespace

Status ResolvePrecision(const RunOptions& options, RunSetup& setup) {
  RunSpec& spec = setup.spec;
  if (spec.model.empty()) {
    return Invalid(fmt::format("--precision {}: only networks have one; the objective is {}",
                               spec.precision, spec.objective));
  }
  if (options.probe == "activations") {
    return Invalid(
        fmt::format("--precision {}: --probe activations runs in float32 only", spec.precision));
  }
  if (options.optimizer == "cao" || options.optimizer == "random-search") {
    return Invalid(
        fmt::format("--precision {}: the steps of --optimizer {} shrink below what bfloat16 tells "
                    "apart; allowed: the optimizers that perturb by --sigma",
                    spec.precision, options.optimizer));
  }
  const double least = LargestStep(setup.problem->layout(), setup.initial);
  const bool given = options.sigma > 0;
  if (given) NDCAO_TRY(CheckSigma("--sigma", options.sigma, least));
  if (options.sigma_end > 0) NDCAO_TRY(CheckSigma("--sigma-end", options.sigma_end, least));
  RaiseSigma(least, spec.options);
  for (BlockOverride& blocks : spec.overrides) {
    if (given && !blocks.options.frozen) {
      NDCAO_TRY(CheckSigma("--sigma", blocks.options.sigma, least));
    }
    RaiseSigma(least, blocks.options);
  }
  return Ok();
}

}  // namespace ndcao
