#include "ndcao/cli/run_options.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdlib>

#include "ndcao/base/hash.h"
#include "ndcao/cli/activation_options.h"
#include "ndcao/cli/block_config.h"
#include "ndcao/cli/files.h"
#include "ndcao/cli/flag_values.h"
#include "ndcao/cli/precision.h"
#include "ndcao/cli/problem_defaults.h"
#include "ndcao/data/dataset.h"
#include "ndcao/evaluate/functions/make_function.h"
#include "ndcao/evaluate/objective.h"
#include "ndcao/evaluate/process/process_problem.h"
#include "ndcao/evaluate/torch/network_problem.h"
#include "ndcao/evaluate/torch/runtime.h"
#include "ndcao/worker/group_evaluation.h"

namespace ndcao {
namespace {

// The slowest block should move this often at least: what matters is the number of updates
// (docs/algorithm.md), and beyond it larger batches are cheaper.
constexpr std::uint64_t kMoves = 400;
constexpr std::uint32_t kBatches[] = {128, 64, 32, 16};
// Stated in the spec; Dataset does it.
constexpr char kNormalisation[] = "scaled, minus the mean example, over the global deviation";

Status ParsePeriods(const std::string& text, ClockOptions& clock) {
  const auto dots = text.find("..");
  const auto number = [](std::string_view digits, std::uint32_t& value) {
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return parsed.ec == std::errc() && parsed.ptr == digits.data() + digits.size();
  };
  const std::string_view view = text;
  if (dots == std::string::npos || !number(view.substr(0, dots), clock.least) ||
      !number(view.substr(dots + 2), clock.greatest)) {
    return Invalid(fmt::format("--async-periods {}: expected A..B, such as 1..10", text));
  }
  return Ok();
}

Status ResolveMode(const RunOptions& options, RunSpec& spec) {
  spec.mode = options.mode == "async" ? RunMode::kAsync : RunMode::kSync;
  spec.probe = options.probe == "activations" ? ProbeTarget::kActivations : ProbeTarget::kWeights;
  spec.clock.kind = options.async_clock == "poisson" ? ClockKind::kPoisson
                    : options.async_clock == "heavy" ? ClockKind::kHeavy
                                                     : ClockKind::kFixed;
  spec.staleness_limit = options.staleness_limit;
  NDCAO_TRY(ParsePeriods(options.async_periods, spec.clock));
  if (spec.mode == RunMode::kSync && spec.clock.greatest > 1) {
    return Invalid("--async-periods needs --mode async: in a synchronous run blocks move together");
  }
  return Ok();
}

void ResolveCao(const CaoFlags& flags, CaoOptions& cao) {
  if (flags.estimator == "monomial") cao.estimator = CaoEstimator::kMonomial;
  if (flags.centre == "current") cao.centre = CaoCentre::kCurrent;
  if (flags.schedule == "decaying") cao.schedule = CaoStep::kDecaying;
  if (flags.schedule == "constant") cao.schedule = CaoStep::kConstant;
  cao.window = flags.window;
  cao.monomials = flags.monomials;
  cao.candidates = flags.candidates;
  cao.ridge = flags.ridge;
  cao.keep_largest = flags.keep_largest;
  cao.coordinate = flags.coordinate;
}

Status ResolveOptimizer(const RunOptions& options, RunSpec& spec, OptimizerDefaults& defaults) {
  NDCAO_ASSIGN(defaults, DefaultsFor(options.optimizer, spec));
  spec.options = defaults.options;
  spec.shape = defaults.shape;
  if (options.sigma > 0) spec.options.sigma = options.sigma, spec.options.sigma_end = 0;
  if (options.sigma_end > 0) spec.options.sigma_end = options.sigma_end;
  if (options.rate > 0) spec.options.peer.rate = options.rate;
  if (options.eps > 0) spec.options.noise_budget.eps = options.eps;
  if (options.loss_floor) spec.options.loss_floor = options.loss_floor;
  ResolveCao(options.cao, spec.options.cao);
  if (options.evaluations > 0) spec.shape.evaluations = options.evaluations;
  if (options.slots > 0) spec.shape.slots = options.slots;
  NDCAO_TRY(ResolveBlocks(options.blocks, options.block_config, spec));
  return Ok();
}

/// Image-forwards of `epochs` passes of the training set through the clean pass.
double EpochBudget(double epochs, const Problem& problem, const RunSpec& spec) {
  const double clean = spec.batch == 0 ? 1 : spec.batch * std::max(1u, spec.screening);
  const double examples = std::max(1u, problem.examples());
  return epochs * examples / clean * static_cast<double>(spec.group_cost());
}

std::uint32_t ChooseBatch(const RunSpec& spec, std::uint64_t budget) {
  const std::uint64_t groups = spec.gathered();  // from one move to the next
  for (const std::uint32_t batch : kBatches) {
    RunSpec candidate = spec;
    candidate.batch = batch;
    if (budget / (candidate.group_cost() * groups) >= kMoves) return batch;
  }
  return kBatches[3];
}

}  // namespace

Result<std::uint64_t> ComputedBudget(const std::string& flag, double value, double forwards) {
  if (forwards >= 1 && forwards < 1e18) return static_cast<std::uint64_t>(forwards);
  return Invalid(fmt::format("{} {}: that is {:.3g} image-forwards; allowed: 1 to 1e18", flag,
                             value, forwards));
}

namespace {

/// The speed of one group, from measuring one, as image-forwards in `seconds`.
Result<std::uint64_t> BudgetForTime(const RunSpec& spec, const Problem& problem,
                                    const ParameterVector& initial, double seconds) {
  RunSpec probe = spec;
  probe.budget = probe.group_cost() * probe.shape.slots;
  NDCAO_ASSIGN(const Replica replica, Replica::Create(probe, problem.layout(), initial));
  NDCAO_ASSIGN(GroupEvaluation evaluation, GroupEvaluation::Create(probe, problem));
  const Trial trial = replica.NewTrial({});
  const auto never = [] { return false; };
  NDCAO_TRY(evaluation.Evaluate(trial, 0, never));  // warms up
  const auto begin = std::chrono::steady_clock::now();
  NDCAO_TRY(evaluation.Evaluate(trial, 0, never));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  const double least = spec.mode == RunMode::kSync ? spec.shape.slots : 1;
  const double groups = std::max(least, seconds / std::max(1e-9, took.count()));
  return ComputedBudget("--max-seconds", seconds, groups * static_cast<double>(spec.group_cost()));
}

/// A `[[block]]` table that sets nothing is a mistake in its pattern.
Status CheckPatterns(const RunSpec& spec, const Layout& layout) {
  if (spec.overrides.empty()) return Ok();
  NDCAO_ASSIGN(const Partition partition,
               MakePartition(spec.blocks, spec.blocks_text, layout, spec.seed));
  for (const BlockOverride& table : spec.overrides) {
    bool used = false;
    for (const Block& block : partition.blocks()) {
      NDCAO_ASSIGN(const bool matches, table.Matches(block.name));
      used = used || matches;
    }
    if (used) continue;
    return Invalid(fmt::format(
        "[[block]] pattern '{}' matches no block of --blocks {}; the first block is '{}', and "
        "a pattern has to match a name from its beginning to its end",
        table.pattern, spec.blocks, partition.blocks().front().name));
  }
  return Ok();
}

/// With --cao-coordinate every block has an evaluation of its own.
Status ResolveEvaluations(const RunOptions& options, const Problem& problem, RunSpec& spec) {
  if (!options.cao.coordinate) return Ok();
  NDCAO_ASSIGN(const Partition partition,
               MakePartition(spec.blocks, spec.blocks_text, problem.layout(), spec.seed));
  spec.shape.evaluations = static_cast<std::uint32_t>(partition.blocks().size());
  return Ok();
}

Status ResolveBudget(const RunOptions& options, const OptimizerDefaults& defaults,
                     RunSetup& setup) {
  RunSpec& spec = setup.spec;
  const Problem& problem = *setup.problem;
  spec.screening = options.screening.value_or(defaults.shape.screening ? 16 : 0);
  if (!problem.per_example()) spec.screening = 0;
  spec.shape.screening = spec.screening > 0;
  const bool has_examples = problem.examples() > 0;
  spec.batch = !has_examples ? 0 : options.batch > 0 ? options.batch : defaults.batch;
  const bool choose = has_examples && spec.batch == 0;
  if (choose) spec.batch = kBatches[3];
  if (!options.budget.empty()) {
    NDCAO_ASSIGN(spec.budget, ParseQuantity("--budget", options.budget));
  } else if (options.epochs > 0) {
    NDCAO_ASSIGN(spec.budget, ComputedBudget("--epochs", options.epochs,
                                             EpochBudget(options.epochs, problem, spec)));
  } else if (options.max_seconds > 0) {
    NDCAO_ASSIGN(spec.budget, BudgetForTime(spec, problem, setup.initial, options.max_seconds));
  } else {
    return Invalid(
        "how long to train is missing: --budget 2M (image-forwards), --epochs N or "
        "--max-seconds S");
  }
  if (choose) spec.batch = ChooseBatch(spec, spec.budget);
  return Ok();
}

// --init FILE fits the problem; without it, --init-zeros or the problem's own initial parameters.
Status CheckInitial(const RunOptions& options, RunSetup& setup) {
  const std::uint64_t needed = setup.problem->layout().size();
  if (options.init.empty() && options.init_zeros == 0) {
    NDCAO_ASSIGN(setup.initial, setup.problem->Initial(options.seed));
  } else if (options.init.empty()) {
    setup.initial.assign(options.init_zeros, 0.0f);
  }
  if (setup.initial.size() != needed) {
    return Invalid(fmt::format("{}: {} values, but the problem has {} parameters",
                               options.init.empty()
                                   ? fmt::format("--init-zeros {}", options.init_zeros)
                                   : fmt::format("--init {}", options.init),
                               setup.initial.size(), needed));
  }
  return Ok();
}

Status CheckHash(const std::string& what, const std::string& hash, std::string& in_spec) {
  if (!in_spec.empty() && in_spec != hash) {
    return Invalid(
        fmt::format("{} is not the one this run began with: its hash is {}, the run's {}", what,
                    hash, in_spec));
  }
  in_spec = hash;
  return Ok();
}

/// Where --data looks, besides --data-dir and the working directory.
std::vector<std::string> DataPlaces() {
  std::vector<std::string> places = {"data"};
  if (const char* home = std::getenv("HOME")) places.push_back(std::string(home) + "/.cache/ndcao");
  return places;
}

Result<std::unique_ptr<Problem>> MakeNetwork(RunSpec& spec, const ProblemSources& sources) {
  NDCAO_ASSIGN(auto data, LoadRunData(spec, sources.data_dir));
  spec.data_hash = Hex(data->Hash());
  const std::string model = sources.model_file.empty() ? spec.model : sources.model_file;
  if (IsTorchScript(model)) {
    NDCAO_ASSIGN(const std::string bytes, ReadModelBytes(model));
    NDCAO_TRY(
        CheckHash(fmt::format("model file '{}'", model), Hex(Hash64(bytes)), spec.model_hash));
  }
  spec.normalisation = kNormalisation;
  return MakeNetworkProblem({model, spec.objective, spec.batch_norm, spec.precision},
                            std::move(data));
}

Result<std::unique_ptr<Problem>> MakeExec(RunSpec& spec, const ProblemSources& sources) {
  if (sources.parameters == 0) {
    return Invalid(fmt::format(
        "--objective {}: how many parameters it has is missing: --init FILE or --init-zeros N",
        spec.objective));
  }
  spec.model.clear();
  spec.data.clear();
  return MakeProcessProblem(spec.objective.substr(kExec.size()), sources.parameters,
                            sources.exec_timeout);
}

}  // namespace

Result<std::uint64_t> ParseQuantity(const std::string& flag, const std::string& text) {
  double value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string unit(parsed.ptr, text.data() + text.size());
  const double factor = unit.empty()  ? 1
                        : unit == "k" ? 1e3
                        : unit == "M" ? 1e6
                        : unit == "G" ? 1e9
                                      : 0;
  if (parsed.ec != std::errc() || factor == 0 || !(value * factor >= 1) ||
      !(value * factor < 1e18)) {
    return Invalid(fmt::format(
        "{} {}: expected a number from 1 to 1e18, with k, M or G if you like (500k, 2M)", flag,
        text));
  }
  return static_cast<std::uint64_t>(std::llround(value * factor));
}

bool IsTorchScript(const std::string& model) { return model.ends_with(".pt"); }

Result<std::shared_ptr<const Dataset>> LoadRunData(const RunSpec& spec,
                                                   const std::string& data_dir) {
  DataOptions options;
  options.name = spec.data;
  options.directory = data_dir;
  options.train_limit = spec.train_limit;
  options.hold_out = spec.hold_out;
  options.search_path = DataPlaces();
  NDCAO_ASSIGN(Dataset data, LoadDataset(options));
  std::string expected = spec.data_hash;
  NDCAO_TRY(CheckHash(fmt::format("data set '{}'", spec.data), Hex(data.Hash()), expected));
  return std::make_shared<const Dataset>(std::move(data));
}

Result<std::unique_ptr<Problem>> MakeProblem(RunSpec& spec, const ProblemSources& sources) {
  if (spec.objective.starts_with(kExec)) return MakeExec(spec, sources);
  if (spec.objective.starts_with(kFunction)) {
    spec.model.clear();
    spec.data.clear();
    auto function = MakeFunction(spec.objective.substr(kFunction.size()));
    if (!function.ok()) return function.error().Context("--objective " + spec.objective);
    return function;
  }
  InitTorch();
  return MakeNetwork(spec, sources);
}

Result<RunSetup> SetUpRun(const RunOptions& options) {
  NDCAO_TRY(CheckFlagsAgree(options));
  RunSetup setup;
  RunSpec& spec = setup.spec;
  spec.model = options.model;
  spec.data = options.data;
  spec.train_limit = options.train_limit;
  spec.hold_out = options.hold_out;
  spec.objective = options.objective;
  spec.seed = options.seed;
  if (options.audit != 0) spec.audit = options.audit;
  OptimizerDefaults defaults;
  NDCAO_TRY(ResolveMode(options, spec));
  NDCAO_TRY(ResolveOptimizer(options, spec, defaults));
  if (!options.budget.empty()) NDCAO_TRY(ParseQuantity("--budget", options.budget));
  spec.batch_norm = options.batch_norm;
  spec.precision = options.precision;
  ProblemSources sources{options.data_dir, "", options.exec_timeout, options.init_zeros};
  if (!options.init.empty()) {
    NDCAO_ASSIGN(setup.initial, ReadParameters(options.init));
    sources.parameters = setup.initial.size();
  }
  NDCAO_ASSIGN(setup.problem, MakeProblem(spec, sources));
  NDCAO_TRY(CheckInitial(options, setup));
  if (spec.precision != "float32") NDCAO_TRY(ResolvePrecision(options, setup));
  if (options.probe == "activations") {
    NDCAO_TRY(ResolveActivations(options, spec));
    NDCAO_TRY(ResolveActivationBudget(options, setup));
  } else {
    NDCAO_TRY(ResolveEvaluations(options, *setup.problem, spec));
    NDCAO_TRY(ResolveBudget(options, defaults, setup));
  }
  NDCAO_TRY(spec.Validate());
  NDCAO_TRY(CheckPatterns(spec, setup.problem->layout()));
  return setup;
}

}  // namespace ndcao
