#include "ndcao/cli/activation_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "ndcao/activation/activation_replica.h"
#include "ndcao/cli/problem_defaults.h"
#include "ndcao/evaluate/torch/network_problem.h"
#include "ndcao/worker/activation_session.h"

namespace ndcao {

namespace {

// An estimator with many columns learns slowly from one probe of each example; a second one pays at
// equal epochs, more do not (docs/results.md, "Probes of a site").
std::uint32_t ProbesOfASite(const ProbePlan& plan, const RunSpec& spec) {
  constexpr std::uint32_t kStrictProbes = 8;
  constexpr std::uint64_t kColumnsForOneProbe = 256;
  if (spec.activation.estimator == ActivationEstimator::kStrict) return kStrictProbes;
  const bool wide = std::any_of(plan.sites.begin(), plan.sites.end(), [&](const ProbeSite& site) {
    return site.kind != SiteKind::kOutput && site.columns > kColumnsForOneProbe;
  });
  return wide ? 2 : 1;
}

}  // namespace

Status ResolveActivations(const RunOptions& options, RunSpec& spec) {
  constexpr std::uint32_t kBatch = 128;
  constexpr std::uint32_t kSlots = 2;
  if (options.optimizer != "noise-budget") {
    return Invalid(fmt::format(
        "--optimizer {}: with --probe activations blocks learn by docs/activations.md, and what "
        "they cannot probe by noise-budget",
        options.optimizer));
  }
  const bool strict = options.estimator == "strict";
  spec.activation.estimator = strict ? ActivationEstimator::kStrict : ActivationEstimator::kLearned;
  spec.activation.rate = options.rate > 0 ? options.rate : strict ? 3e-3 : 2e-3;
  if (options.sigma > 0) {
    spec.activation.sigma = options.sigma;
    const BlockOptions usual = DefaultsFor(options.optimizer, spec).value().options;
    spec.options.sigma = usual.sigma;
    spec.options.sigma_end = usual.sigma_end;
  }
  spec.batch = options.batch > 0 ? options.batch : kBatch;
  spec.shape.slots = options.slots > 0 ? options.slots : std::min(kSlots, spec.batch);
  spec.screening = 0;
  spec.shape.screening = false;
  return Ok();
}

Status ResolveActivationBudget(const RunOptions& options, RunSetup& setup) {
  RunSpec& spec = setup.spec;
  if (spec.objective == "accuracy" || spec.objective == "zero-one") {
    return Invalid(fmt::format(
        "--objective {}: it does not change with small changes of activations, so there is nothing "
        "to probe; use --probe weights, or --objective cross-entropy",
        spec.objective));
  }
  NDCAO_ASSIGN(const auto network, NewActivationEvaluator(*setup.problem));
  spec.activation.probes = ProbesOfASite(network->plan(), spec);
  if (spec.batch > setup.problem->examples()) {
    return Invalid(fmt::format("--batch {}: the training set has {} examples", spec.batch,
                               setup.problem->examples()));
  }
  if (!options.budget.empty()) {
    NDCAO_ASSIGN(spec.budget, ParseQuantity("--budget", options.budget));
    return Ok();
  }
  if (options.epochs <= 0) {
    return Invalid("how long to train is missing: --epochs N, or --budget 2M (image-forwards)");
  }
  RunSpec endless = spec;
  endless.budget = std::uint64_t{1} << 60;
  NDCAO_TRY(endless.Validate());
  NDCAO_ASSIGN(const auto replica,
               ActivationReplica::Create(endless, setup.problem->layout(), setup.initial,
                                         TableOf(network->plan())));
  const auto in_epoch = static_cast<double>(setup.problem->examples() / spec.batch);
  const double steps = std::ceil(options.epochs * in_epoch);
  const double least = std::max(1.0, static_cast<double>(replica.step_cost()));
  NDCAO_TRY(ComputedBudget("--epochs", options.epochs, steps * least));
  spec.budget = replica.CostOf(static_cast<std::uint64_t>(steps));
  return Ok();
}

}  // namespace ndcao
