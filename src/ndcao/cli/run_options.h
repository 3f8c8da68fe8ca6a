// The flags that say what a run is, and how they become a problem and a run spec.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "ndcao/base/result.h"
#include "ndcao/block/options.h"
#include "ndcao/data/dataset.h"
#include "ndcao/evaluate/evaluator.h"
#include "ndcao/replica/run_spec.h"

namespace ndcao {

/// The flags of `cao`, as given on the command line; each begins with --cao-.
struct CaoFlags {
  std::string estimator = "linear";
  std::string centre = "best";
  std::string schedule = "linear";
  std::uint32_t window = CaoOptions().window;
  std::uint32_t monomials = CaoOptions().monomials;
  std::uint32_t candidates = CaoOptions().candidates;
  double ridge = CaoOptions().ridge;
  bool keep_largest = false;
  bool coordinate = false;
};

/// As given on the command line.
struct RunOptions {
  std::string model = "mlp:784-32-10";
  std::string usual_model = model;  ///< What the verb has without --model.
  std::string data = "fashion-mnist";
  std::string data_dir;
  std::uint32_t train_limit = 0;
  std::uint32_t hold_out = 0;
  std::string objective = "cross-entropy";
  std::string blocks = "layer";
  std::string block_config;
  std::string mode = "sync";
  std::string probe = "weights";
  std::string estimator;
  std::string optimizer = "noise-budget";
  CaoFlags cao;
  double sigma = 0;
  double sigma_end = 0;
  double rate = 0;
  double eps = 0;
  std::optional<double> loss_floor;
  std::uint32_t batch = 0;
  std::uint32_t usual_batch = 0;  ///< What the verb has without --batch.
  std::optional<std::uint32_t> screening;
  std::uint32_t evaluations = 0;
  std::uint32_t slots = 0;
  std::uint64_t seed = 1;
  std::string budget;
  double epochs = 0;
  double max_seconds = 0;
  std::string async_periods = "1..1";
  std::string async_clock = "fixed";
  std::uint32_t staleness_limit = 64;
  double audit = 0;
  std::string init;
  std::uint64_t init_zeros = 0;
  double exec_timeout = 60;
  std::string batch_norm = "eval";
  std::string precision = "float32";
};

void AddRunOptions(CLI::App& verb, RunOptions& options);

/// Where a problem's parts are found on this machine; no part of the run.
struct ProblemSources {
  std::string data_dir;      ///< The data set's files; empty: the usual places.
  std::string model_file;    ///< A run's own copy of its TorchScript file; empty: as in the spec.
  double exec_timeout = 60;  ///< Seconds for one answer of exec:PROGRAM.
  std::uint64_t parameters = 0;  ///< For exec:PROGRAM, which does not know their number.
};

/// What is minimised, from a spec's own description of it (so that resume and worker rebuild it).
/// Fills in the hashes of data and model file when they are empty, and checks them otherwise.
Result<std::unique_ptr<Problem>> MakeProblem(RunSpec& spec, const ProblemSources& sources);

/// A TorchScript file, not a name of the zoo.
bool IsTorchScript(const std::string& model);

/// The data set of a run.
Result<std::shared_ptr<const Dataset>> LoadRunData(const RunSpec& spec,
                                                   const std::string& data_dir);

/// A problem, the resolved spec of a run on it, and its initial parameters.
struct RunSetup {
  std::unique_ptr<Problem> problem;
  RunSpec spec;
  ParameterVector initial;
};
Result<RunSetup> SetUpRun(const RunOptions& options);

/// "2M", "500k", "1.5G", "300": a whole number of 1 or more.
Result<std::uint64_t> ParseQuantity(const std::string& flag, const std::string& text);

/// A budget that follows from the `value` of a flag, in image-forwards.
Result<std::uint64_t> ComputedBudget(const std::string& flag, double value, double forwards);

}  // namespace ndcao
