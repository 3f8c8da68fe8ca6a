#include "ndcao/cli/run_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "ndcao/block/block_optimizer.h"
#include "ndcao/cli/problem_defaults.h"

namespace ndcao {
namespace {

constexpr std::string_view kPlain = "-_.,:/=+@%";

class Command {
 public:
  void Flag(const char* name, const std::string& value) {
    const char between = value.starts_with("-") ? '=' : ' ';  // else it would look like a flag
    text_ += fmt::format(" --{}{}{}", name, between, QuotedForShell(value));
  }
  template <typename T>
  void Flag(const char* name, T value) {
    Flag(name, fmt::format("{}", value));
  }
  void Switch(const char* name) { text_ += fmt::format(" --{}", name); }
  /// Only if it is not what the run would have without the flag.
  template <typename T>
  void Unless(const T& usual, const char* name, const T& value) {
    if (value != usual) Flag(name, value);
  }
  std::string text() const { return text_; }

 private:
  std::string text_ = "ndcao train";
};

void AddProblem(const RunSpec& spec, Command& command) {
  if (!spec.model.empty()) {
    command.Flag("model", spec.model);
    command.Flag("data", spec.data);
    command.Unless(0u, "train-limit", spec.train_limit);
    command.Unless(0u, "hold-out", spec.hold_out);
    command.Unless(std::string("eval"), "batch-norm", spec.batch_norm);
    command.Unless(std::string("float32"), "precision", spec.precision);
  }
  command.Unless(std::string("cross-entropy"), "objective", spec.objective);
}

void AddMode(const RunSpec& spec, Command& command) {
  command.Flag("mode", spec.mode == RunMode::kAsync ? "async" : "sync");
  const ClockOptions usual;
  if (spec.clock.least != usual.least || spec.clock.greatest != usual.greatest) {
    command.Flag("async-periods", fmt::format("{}..{}", spec.clock.least, spec.clock.greatest));
  }
  if (spec.clock.kind == ClockKind::kPoisson) command.Flag("async-clock", "poisson");
  if (spec.clock.kind == ClockKind::kHeavy) command.Flag("async-clock", "heavy");
  command.Unless(RunSpec().staleness_limit, "staleness-limit", spec.staleness_limit);
  if (spec.audit) command.Flag("audit", *spec.audit);
}

void AddCao(const CaoOptions& cao, Command& command) {
  const CaoOptions usual;
  if (cao.estimator == CaoEstimator::kMonomial) command.Flag("cao-estimator", "monomial");
  command.Unless(usual.window, "cao-window", cao.window);
  command.Unless(usual.candidates, "cao-candidates", cao.candidates);
  if (cao.centre == CaoCentre::kCurrent) command.Flag("cao-centre", "current");
  if (cao.schedule == CaoStep::kDecaying) command.Flag("cao-schedule", "decaying");
  if (cao.schedule == CaoStep::kConstant) command.Flag("cao-schedule", "constant");
  command.Unless(usual.ridge, "cao-ridge", cao.ridge);
  command.Unless(usual.monomials, "cao-monomials", cao.monomials);
  if (cao.keep_largest) command.Switch("cao-keep-largest");
  if (cao.coordinate) command.Switch("cao-coordinate");
}

void AddOptimizer(const RunSpec& spec, Command& command) {
  const BlockOptions& options = spec.options;
  command.Unless(BlockOptions().optimizer, "optimizer", options.optimizer);
  if (options.optimizer == "cao") AddCao(options.cao, command);
  const Result<OptimizerDefaults> known = DefaultsFor(options.optimizer);
  const OptimizerDefaults usual = known.ok() ? known.value() : OptimizerDefaults();
  if (options.sigma != usual.options.sigma || options.sigma_end != usual.options.sigma_end) {
    command.Flag("sigma", options.sigma);
    command.Unless(0.0, "sigma-end", options.sigma_end);
  }
  command.Unless(usual.options.peer.rate, "rate", options.peer.rate);
  command.Unless(usual.options.noise_budget.eps, "eps", options.noise_budget.eps);
  if (options.loss_floor && options.loss_floor != usual.options.loss_floor) {
    command.Flag("loss-floor", *options.loss_floor);
  }
  command.Unless(0u, "batch", spec.batch);
  command.Unless(usual.shape.screening && spec.batch > 0 ? 16u : 0u, "screening", spec.screening);
  if (!options.cao.coordinate) {  // else they follow from the blocks
    command.Unless(usual.shape.evaluations, "evaluations", spec.shape.evaluations);
  }
  command.Unless(usual.shape.slots, "slots", spec.shape.slots);
}

// As ResolveActivations fills it in.
void AddActivations(const RunSpec& spec, Command& command) {
  const bool strict = spec.activation.estimator == ActivationEstimator::kStrict;
  command.Flag("probe", "activations");
  if (strict) command.Flag("estimator", "strict");
  command.Unless(strict ? 3e-3 : 2e-3, "rate", spec.activation.rate);
  command.Unless(ActivationOptions().sigma, "sigma", spec.activation.sigma);
  command.Unless(128u, "batch", spec.batch);
  command.Unless(2u, "slots", spec.shape.slots);
}

}  // namespace

std::string QuotedForShell(const std::string& word) {
  const auto plain = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || kPlain.find(c) != std::string_view::npos;
  };
  if (!word.empty() && std::all_of(word.begin(), word.end(), plain)) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string DataDirFlag(const std::string& data_dir) {
  return data_dir.empty() ? "" : " --data-dir " + QuotedForShell(data_dir);
}

std::string FormatCommand(const RunSpec& spec, std::uint64_t budget) {
  Command command;
  AddProblem(spec, command);
  command.Flag("blocks", spec.blocks);
  AddMode(spec, command);
  if (spec.probe == ProbeTarget::kActivations) {
    AddActivations(spec, command);
  } else {
    AddOptimizer(spec, command);
  }
  command.Flag("budget", budget);
  command.Flag("seed", spec.seed);
  std::string text = command.text();
  if (!spec.overrides.empty()) {
    text += "   # and --config with the [[block]] tables of spec.toml";
  } else if (spec.blocks == "pattern" || spec.blocks == "file") {
    text += "   # with :FILE behind --blocks, as in spec.toml";
  } else if (spec.model.empty() && spec.objective.starts_with(kExec)) {
    text += "   # and --init initial.bin of the run directory";
  }
  return text;
}

}  // namespace ndcao
