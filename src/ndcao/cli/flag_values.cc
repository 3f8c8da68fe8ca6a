#include "ndcao/cli/flag_values.h"

#include <fmt/format.h>

#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "ndcao/cli/problem_defaults.h"

namespace ndcao {
namespace {

/// What is wrong with the text of an unsigned number or another one; empty: nothing.
std::string FaultOfUnsigned(const std::string& text) {
  char* end = nullptr;
  errno = 0;
  std::strtoull(text.c_str(), &end, 0);
  if (*end == 0 && end != text.c_str() && !text.starts_with("-") && errno != ERANGE) return "";
  return fmt::format("{}: expected a whole number from 0 to {}", text,
                     std::numeric_limits<std::uint64_t>::max());
}

std::string FaultOfNumber(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (*end == 0 && end != text.c_str() && std::isfinite(value)) return "";
  return text + ": expected a finite number";
}

Status NotBoth(bool one, bool other, const std::string& flags, const std::string& what) {
  if (!one || !other) return Ok();
  return Invalid(fmt::format("{}: only one of them says {}", flags, what));
}

Status CheckCaoFlags(const RunOptions& options) {
  struct Given {
    bool given;
    std::string flag;
    bool monomial = false;  // it belongs to that estimator
  };
  const CaoFlags& cao = options.cao;
  const CaoFlags usual;
  const Given flags[] = {
      {cao.estimator != usual.estimator, "--cao-estimator " + cao.estimator},
      {cao.window != usual.window, fmt::format("--cao-window {}", cao.window)},
      {cao.candidates != usual.candidates, fmt::format("--cao-candidates {}", cao.candidates)},
      {cao.centre != usual.centre, "--cao-centre " + cao.centre},
      {cao.schedule != usual.schedule, "--cao-schedule " + cao.schedule},
      {cao.ridge != usual.ridge, fmt::format("--cao-ridge {}", cao.ridge)},
      {cao.coordinate, "--cao-coordinate"},
      {cao.monomials != usual.monomials, fmt::format("--cao-monomials {}", cao.monomials), true},
      {cao.keep_largest, "--cao-keep-largest", true},
  };
  for (const Given& flag : flags) {
    NDCAO_TRY(Belongs(flag.given, flag.flag, options.optimizer == "cao", "--optimizer cao"));
    NDCAO_TRY(Belongs(flag.given, flag.flag, !flag.monomial || cao.estimator == "monomial",
                      "--cao-estimator monomial"));
  }
  return NotBoth(cao.coordinate, options.evaluations > 0, "--cao-coordinate and --evaluations",
                 "how many evaluations a group has");
}

}  // namespace

Status Belongs(bool given, const std::string& flag, bool fits, const std::string& to) {
  if (!given || fits) return Ok();
  return Invalid(fmt::format("{}: it belongs to {}", flag, to));
}

Status CheckVerb(const CLI::App& app, std::span<const std::string> arguments) {
  const auto verbs = app.get_subcommands([](const CLI::App*) { return true; });
  if (verbs.empty() || arguments.empty()) return Ok();
  const std::string& first = arguments.front();
  if (app.get_option_no_throw(first.substr(0, first.find('='))) != nullptr) return Ok();
  std::vector<std::string> names;
  for (const CLI::App* verb : verbs) {
    if (verb->get_name() == arguments.front()) return CheckVerb(*verb, arguments.subspan(1));
    names.push_back(verb->get_name());
  }
  return Invalid(
      fmt::format("'{}' is no verb; there are: {}", arguments.front(), fmt::join(names, ", ")));
}

void AddNumberChecks(CLI::App& app) {
  for (CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; })) {
    for (CLI::Option* option : verb->get_options()) {
      const std::string type = option->get_type_name();
      if (type.starts_with("UINT")) option->check(CLI::Validator(FaultOfUnsigned, ""));
      if (type.starts_with("FLOAT")) option->check(CLI::Validator(FaultOfNumber, ""));
    }
    AddNumberChecks(*verb);  // bench has verbs of its own
  }
}

namespace {

Status CheckProblemFlags(const RunOptions& options) {
  const RunOptions usual;
  const bool network = !IsWithoutNetwork(options.objective);
  const std::string own = fmt::format("a network, and {} has none", options.objective);
  const auto screening = options.screening.value_or(0);
  NDCAO_TRY(
      Belongs(options.model != options.usual_model, "--model " + options.model, network, own));
  NDCAO_TRY(Belongs(options.data != usual.data, "--data " + options.data, network, own));
  NDCAO_TRY(Belongs(!options.data_dir.empty(), "--data-dir " + options.data_dir, network, own));
  NDCAO_TRY(Belongs(options.train_limit > 0, fmt::format("--train-limit {}", options.train_limit),
                    network, own));
  NDCAO_TRY(
      Belongs(options.hold_out > 0, fmt::format("--hold-out {}", options.hold_out), network, own));
  NDCAO_TRY(Belongs(options.batch != options.usual_batch, fmt::format("--batch {}", options.batch),
                    network, own));
  NDCAO_TRY(Belongs(screening > 0, fmt::format("--screening {}", screening), network, own));
  NDCAO_TRY(Belongs(options.batch_norm != usual.batch_norm, "--batch-norm " + options.batch_norm,
                    network, own));
  return Belongs(options.exec_timeout != usual.exec_timeout,
                 fmt::format("--exec-timeout {}", options.exec_timeout),
                 options.objective.starts_with(kExec), "--objective exec:PROGRAM");
}

Status CheckModeFlags(const RunOptions& options) {
  const RunOptions usual;
  const bool async = options.mode == "async";
  const bool weights = options.probe == "weights";
  const std::string limit = fmt::format("--staleness-limit {}", options.staleness_limit);
  const bool limited = options.staleness_limit != usual.staleness_limit;
  NDCAO_TRY(Belongs(options.async_clock != usual.async_clock,
                    "--async-clock " + options.async_clock, async, "--mode async"));
  NDCAO_TRY(Belongs(limited, limit, async, "--mode async"));
  NDCAO_TRY(Belongs(limited, limit, weights, "--probe weights"));
  NDCAO_TRY(Belongs(options.screening.has_value(),
                    fmt::format("--screening {}", options.screening.value_or(0)), weights,
                    "--probe weights"));
  NDCAO_TRY(Belongs(options.evaluations > 0, fmt::format("--evaluations {}", options.evaluations),
                    weights, "--probe weights"));
  NDCAO_TRY(Belongs(!options.estimator.empty(), "--estimator " + options.estimator, !weights,
                    "--probe activations"));
  return Belongs(options.sigma_end > 0, fmt::format("--sigma-end {}", options.sigma_end), weights,
                 "--probe weights");
}

Status CheckOptimizerFlags(const RunOptions& options) {
  const bool weights = options.probe == "weights";
  const bool budgets = options.optimizer == "noise-budget";
  NDCAO_TRY(Belongs(options.sigma_end > 0, fmt::format("--sigma-end {}", options.sigma_end),
                    budgets, "--optimizer noise-budget"));
  NDCAO_TRY(CheckCaoFlags(options));
  if (!weights || !options.block_config.empty()) return Ok();  // blocks may have other optimizers
  NDCAO_TRY(Belongs(options.eps > 0, fmt::format("--eps {}", options.eps), budgets,
                    "--optimizer noise-budget"));
  NDCAO_TRY(Belongs(options.loss_floor.has_value(),
                    fmt::format("--loss-floor {}", options.loss_floor.value_or(0)), budgets,
                    "--optimizer noise-budget"));
  NDCAO_TRY(Belongs(options.sigma > 0, fmt::format("--sigma {}", options.sigma),
                    options.optimizer != "random-search",
                    "an optimizer that perturbs; random-search takes the radius as its --rate"));
  return Belongs(options.rate > 0, fmt::format("--rate {}", options.rate),
                 !budgets && options.optimizer != "cao",
                 "a peer or to --probe activations; noise-budget and cao find their own");
}

}  // namespace

Status CheckFlagsAgree(const RunOptions& options) {
  NDCAO_TRY(NotBoth(!options.budget.empty(), options.epochs > 0, "--budget and --epochs",
                    "how long to train"));
  NDCAO_TRY(NotBoth(!options.init.empty(), options.init_zeros > 0, "--init and --init-zeros",
                    "where the parameters begin"));
  NDCAO_TRY(CheckModeFlags(options));
  NDCAO_TRY(CheckProblemFlags(options));
  return CheckOptimizerFlags(options);
}

}  // namespace ndcao
