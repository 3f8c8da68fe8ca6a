// The declarations of the flags that say what a run is.
#include <fmt/format.h>

#include <cstdlib>
#include <limits>

#include "ndcao/block/block_optimizer.h"
#include "ndcao/cli/number_checks.h"
#include "ndcao/cli/run_options.h"
#include "ndcao/evaluate/torch/zoo.h"

namespace ndcao {
namespace {

std::string Joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

// TOML, in which a run's spec is kept, has no larger integers.
std::string FaultOfSeed(const std::string& text) {
  constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (std::strtoull(text.c_str(), nullptr, 0) <= kMost) return "";
  return fmt::format("{}: expected a whole number from 0 to {}", text, kMost);
}

/// What learns, and its constants.
void AddOptimizerOptions(CLI::App& verb, RunOptions& options) {
  verb.add_option("--mode", options.mode, "sync: blocks move together; async: by their own clocks")
      ->check(CLI::IsMember({"sync", "async"}));
  verb.add_option("--probe", options.probe,
                  "What blocks perturb: their weights, or the activations that they produce "
                  "(docs/activations.md)")
      ->check(CLI::IsMember({"weights", "activations"}));
  verb.add_option("--estimator", options.estimator,
                  "With --probe activations: strict (their own probes alone) or learned (an "
                  "estimator in the losses at perturbed outputs; the default)")
      ->check(CLI::IsMember({"strict", "learned"}));
  verb.add_option("--optimizer", options.optimizer,
                  "The block optimizer, or a peer to compare with")
      ->check(CLI::IsMember(OptimizerNames()));
  verb.add_option("--sigma", options.sigma,
                  "Size of a perturbation (0: the optimizer's own; noise-budget: 0.03, falling to "
                  "0.003, but constant for binary networks, 0.2, integer ones, 4, and losses that "
                  "count, 0.01; activations: 0.01 of their root mean square)")
      ->check(AtLeastZero());
  verb.add_option("--sigma-end", options.sigma_end,
                  "noise-budget: its size at the end of the budget, which it reaches in a straight "
                  "line (0: that of --sigma, if it is given)")
      ->check(AtLeastZero());
  verb.add_option("--rate", options.rate,
                  "Learning rate of a peer, or of activation probing (0: its own default)")
      ->check(AtLeastZero());
  verb.add_option(
          "--eps", options.eps,
          "noise-budget: loss that noise may inject over the run, relative (0: 2; accuracy and "
          "zero-one: 0.1, macro-f1: 1)")
      ->check(AtLeastZero());
  verb.add_option("--loss-floor", options.loss_floor, "The least value that the loss can take");
}

/// The constants of --optimizer cao (docs/algorithm.md, section 7).
void AddCaoOptions(CLI::App& verb, CaoFlags& cao) {
  verb.add_option("--cao-estimator", cao.estimator,
                  "cao: the estimator that a block fits to its window")
      ->check(CLI::IsMember({"linear", "monomial"}));
  verb.add_option("--cao-window", cao.window, "cao: points that the estimator is fitted to")
      ->check(CLI::Range(5, 1000));
  verb.add_option("--cao-candidates", cao.candidates,
                  "cao: points among which a block chooses its next one")
      ->check(CLI::Range(1, 1'000'000));
  verb.add_option("--cao-centre", cao.centre,
                  "cao: where candidates are drawn around, the best point so far or the newest")
      ->check(CLI::IsMember({"best", "current"}));
  verb.add_option("--cao-schedule", cao.schedule,
                  "cao: how its step falls from --sigma: linear (to a twentieth at the end of the "
                  "budget), decaying (by the root of the points seen), or not at all")
      ->check(CLI::IsMember({"linear", "decaying", "constant"}));
  verb.add_option("--cao-ridge", cao.ridge,
                  "cao: the fit's ridge (0: the estimator's own, linear 0.1, monomial 10)")
      ->check(CLI::Range(0.0, 1e12));
  verb.add_option("--cao-monomials", cao.monomials, "cao: features of the monomial estimator")
      ->check(CLI::Range(3, 100'000));
  verb.add_flag("--cao-keep-largest", cao.keep_largest,
                "cao: keep the half of the monomials that weighs most from fit to fit");
  verb.add_flag("--cao-coordinate", cao.coordinate,
                "cao, block by block: one evaluation more for each block, with that block where it "
                "was before, so that each learns from the change that it made");
}

/// What a group and a round are made of, and how much is spent.
void AddGroupOptions(CLI::App& verb, RunOptions& options) {
  verb.add_option("--batch", options.batch,
                  "Examples per evaluation (0: from the budget, 16 to 128; activations: 128)");
  verb.add_option("--screening", options.screening,
                  "Examples screened for each one used (default 16; 0: none)");
  verb.add_option("--evaluations", options.evaluations,
                  "Evaluations in a group (0: the optimizer's own)");
  verb.add_option("--slots", options.slots,
                  "Groups in a synchronous round, or parts of a batch: the most workers that it "
                  "can use (0: the optimizer's own; activations: 2)");
  verb.add_option("--seed", options.seed, "Everything random follows from it")
      ->check(CLI::Validator(FaultOfSeed, ""));
  verb.add_option("--budget", options.budget,
                  "Image-forwards to spend: every image through every forward pass counts one "
                  "(500k, 2M)");
  verb.add_option("--epochs", options.epochs,
                  "Instead of a budget: passes of the training set through the clean pass")
      ->check(AtLeastZero());
}

/// When blocks move, and which losses they believe.
void AddAsyncOptions(CLI::App& verb, RunOptions& options) {
  verb.add_option("--async-periods", options.async_periods,
                  "Periods of the blocks' clocks, in groups, spread over A..B");
  verb.add_option("--async-clock", options.async_clock, "How a block's waiting times vary")
      ->check(CLI::IsMember({"fixed", "poisson", "heavy"}));
  verb.add_option("--staleness-limit", options.staleness_limit,
                  "Asynchronous: losses from more groups ago teach nothing");
  verb.add_option("--audit", options.audit,
                  "Have this share of the groups evaluated again by another worker than the one "
                  "that journaled it, and shut out workers whose losses are found wrong (0: none; "
                  "docs/cluster.md)")
      ->check(CLI::Range(0.0, 1.0));
}

/// How the loss is computed, and where θ begins.
void AddEvaluationOptions(CLI::App& verb, RunOptions& options) {
  verb.add_option("--batch-norm", options.batch_norm,
                  "BatchNorm layers of a TorchScript file use their stored statistics (eval) or "
                  "those of the examples at hand (batch)")
      ->check(CLI::IsMember({"eval", "batch"}));
  verb.add_option(
          "--precision", options.precision,
          "Of the forward passes of --probe weights: bf16 rounds parameters and examples to "
          "bfloat16. Faster for large batches where the processor multiplies bfloat16 (AMX, "
          "or AVX-512 BF16), slower elsewhere; the model stays float32")
      ->check(CLI::IsMember({"float32", "bf16"}));
  verb.add_option("--exec-timeout", options.exec_timeout,
                  "exec:PROGRAM: seconds that one answer may take")
      ->check(AboveZero());
  verb.add_option("--init-zeros", options.init_zeros,
                  "Initial parameters: N zeros (how many an exec:PROGRAM has)");
  verb.add_option("--config",
                  "A TOML file with these keys, without dashes; flags win over it. "
                  "[[block]] tables set options of the blocks whose names match a pattern");
  verb.add_option("--init", options.init, "Initial parameters: a file of float32 values");
}

}  // namespace

void AddRunOptions(CLI::App& verb, RunOptions& options) {
  options.usual_model = options.model;
  verb.add_option("--model", options.model,
                  "One of " + Joined(ZooNames()) + ", or a TorchScript FILE.pt");
  verb.add_option("--data", options.data,
                  "fashion-mnist, mnist, digits, cifar10, idx:DIR or csv:TRAIN[,TEST] (a line an "
                  "example, its class "
                  "number in the column 'label' or else the last; docs/networks.md)");
  verb.add_option("--data-dir", options.data_dir, "Where the data set's files lie");
  verb.add_option("--train-limit", options.train_limit,
                  "Use only the first N training examples (0: all)");
  verb.add_option("--hold-out", options.hold_out,
                  "Take the last N training examples as the test set (0: the real test set)");
  verb.add_option("--objective", options.objective,
                  "cross-entropy, mse, accuracy, zero-one, macro-f1; or instead of a network: "
                  "exec:PROGRAM (any program; docs/networks.md), function:NAME:N (a test function, "
                  "such as function:sphere:50)");
  verb.add_option("--blocks", options.blocks,
                  "How the parameters are split: single, tensor, layer, unit, size:N, random:N, "
                  "pattern:FILE (lines of regex = block), file:FILE (as inspect prints)");
  verb.add_option("--block-config", options.block_config)->group("");  // from --config
  AddOptimizerOptions(verb, options);
  AddCaoOptions(verb, options.cao);
  AddGroupOptions(verb, options);
  AddAsyncOptions(verb, options);
  AddEvaluationOptions(verb, options);
}

}  // namespace ndcao
