#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "ndcao/block/block_optimizer.h"
#include "ndcao/block/cao.h"
#include "ndcao/block/frozen.h"
#include "ndcao/block/mezo.h"
#include "ndcao/block/noise_budget.h"
#include "ndcao/block/openai_es.h"
#include "ndcao/block/pgpe.h"
#include "ndcao/block/random_search.h"
#include "ndcao/block/spsa.h"

namespace ndcao {
namespace {

using Made = std::unique_ptr<BlockOptimizer>;

template <typename Optimizer>
Made Make(const BlockOptions& options, CohortContext context, std::span<const float>) {
  return std::make_unique<Optimizer>(options, std::move(context));
}

Made MakeCao(const BlockOptions& options, CohortContext context, std::span<const float> initial) {
  return std::make_unique<CaoOptimizer>(options, std::move(context), initial);
}

/// An optimizer with its authors' constants. `rate` and `sigma_rate` as in PeerOptions.
struct Entry {
  const char* name;
  double sigma;
  double sigma_end;
  double rate;
  double sigma_rate;
  GroupShape shape;
  std::uint32_t batch;
  Made (*make)(const BlockOptions&, CohortContext, std::span<const float>);
};

constexpr GroupShape kOnePair{2, false, false, 1};
constexpr GroupShape kManyPairs{128, false, false, 1};

// cao's σ stays 0: its step is relative to the initial parameters unless one is given.
constexpr Entry kOptimizers[] = {
    {"noise-budget", 0.03, 0.003, 0, 0, {64, true, true, 4}, 0, Make<NoiseBudgetOptimizer>},
    {"cao", 0, 0, 0, 0, {0, true, false, 1}, 1000, MakeCao},
    {"spsa", 1e-3, 0, 1e-4, 0, kOnePair, 64, Make<SpsaOptimizer>},
    {"mezo", 1e-3, 0, 1e-4, 0, kOnePair, 64, Make<MezoOptimizer>},
    {"openai-es", 0.02, 0, 1e-3, 0, kManyPairs, 16, Make<OpenAiEsOptimizer>},
    {"pgpe", 0.02, 0, 1e-3, 0.1, kManyPairs, 16, Make<PgpeOptimizer>},
    {"random-search", 0, 0, 0.02, 0, {16, true, false, 1}, 64, Make<RandomSearchOptimizer>},
};

// α of `cao`, measured on the test functions and on a network of 490 parameters (bench/cao_small).
constexpr double kCaoStep = 0.2;
constexpr double kCaoStepFloor = 0.05;

const Entry* Find(const std::string& name) {
  for (const Entry& entry : kOptimizers) {
    if (name == entry.name) return &entry;
  }
  return nullptr;
}

}  // namespace

std::vector<std::string> OptimizerNames() {
  std::vector<std::string> names;
  for (const Entry& entry : kOptimizers) names.push_back(entry.name);
  return names;
}

Result<OptimizerDefaults> DefaultsFor(const std::string& name) {
  const Entry* entry = Find(name);
  if (entry == nullptr) {
    return Invalid(fmt::format("optimizer '{}' is unknown; there are: {}", name,
                               fmt::join(OptimizerNames(), ", ")));
  }
  OptimizerDefaults defaults;
  defaults.options.optimizer = name;
  defaults.options.sigma = entry->sigma;
  defaults.options.sigma_end = entry->sigma_end;
  defaults.options.peer = {entry->rate, entry->sigma_rate};
  defaults.options.cao.step = kCaoStep;
  defaults.options.cao.step_floor = kCaoStepFloor;
  defaults.shape = entry->shape;
  defaults.batch = entry->batch;
  return defaults;
}

std::unique_ptr<BlockOptimizer> MakeOptimizer(const BlockOptions& options, CohortContext context,
                                              std::span<const float> initial) {
  if (options.frozen) return std::make_unique<FrozenOptimizer>(std::move(context));
  const Entry* entry = Find(options.optimizer);
  NDCAO_CHECK(entry != nullptr);
  BlockOptions filled = options;
  if (filled.sigma == 0) filled.sigma = entry->sigma, filled.sigma_end = entry->sigma_end;
  if (filled.sigma_end == 0) filled.sigma_end = filled.sigma;
  if (filled.peer.rate == 0) filled.peer.rate = entry->rate;
  if (filled.peer.sigma_rate == 0) filled.peer.sigma_rate = entry->sigma_rate;
  return entry->make(filled, std::move(context), initial);
}

}  // namespace ndcao
