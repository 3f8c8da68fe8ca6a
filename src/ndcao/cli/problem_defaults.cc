#include "ndcao/cli/problem_defaults.h"

#include <algorithm>

#include "ndcao/evaluate/torch/zoo.h"

namespace ndcao {
namespace {

constexpr double kCountSigma = 0.01;  // of losses that count, or are made of counts
constexpr std::uint32_t kF1Batch = 128;

}  // namespace

bool IsWithoutNetwork(const std::string& objective) {
  return objective.starts_with(kExec) || objective.starts_with(kFunction);
}

Result<OptimizerDefaults> DefaultsFor(const std::string& optimizer, const RunSpec& spec) {
  NDCAO_ASSIGN(OptimizerDefaults defaults, DefaultsFor(optimizer));
  if (IsWithoutNetwork(spec.objective)) return defaults;
  double sigma = DefaultSigma(spec.model);
  const bool f1 = spec.objective == "macro-f1";
  const bool counts = spec.objective == "accuracy" || spec.objective == "zero-one";
  if (counts || f1) sigma = std::max(sigma, kCountSigma);
  if (counts) defaults.options.noise_budget.eps = 0.1;
  if (f1) defaults.options.noise_budget.eps = 1;
  if (f1) defaults.batch = std::max(defaults.batch, kF1Batch);
  if (sigma > 0) defaults.options.sigma = sigma, defaults.options.sigma_end = 0;
  if (spec.objective == "accuracy") defaults.options.loss_floor = -1;
  return defaults;
}

}  // namespace ndcao
