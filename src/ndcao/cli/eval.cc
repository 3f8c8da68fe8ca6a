// ndcao eval: loss and accuracy of a run, or of a model with parameters.
#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "ndcao/base/hash.h"
#include "ndcao/base/log.h"
#include "ndcao/cli/command.h"
#include "ndcao/cli/files.h"
#include "ndcao/cli/pictures.h"
#include "ndcao/cli/run_location.h"
#include "ndcao/cli/run_options.h"
#include "ndcao/cli/train_run.h"

namespace ndcao {
namespace {

struct Flags {
  RunLocation location;  // its directory or run: --run
  std::string model;
  std::string params;
  std::string data;
  std::string data_dir;
  std::string objective;
  std::uint64_t seed = 1;
  std::uint32_t train_limit = 0;
  std::uint32_t hold_out = 0;
  std::uint32_t pictures = 0;
  bool json = false;
  bool quiet = false;
};

struct Subject {
  RunSpec spec;
  ParameterVector parameters;
  ProblemSources sources;
  std::unique_ptr<Problem> problem;
  std::unique_ptr<RunHome> home;  // keeps the model's file
};

Result<Subject> SubjectFromRun(const Flags& flags) {
  FileJournalOptions options;
  options.mode = OpenMode::kReadOnly;
  RunLocation location = flags.location;
  if (!location.on_server()) std::swap(location.run, location.directory);
  NDCAO_ASSIGN(auto run, OpenRun(location, options, false));
  Subject subject;
  subject.spec = run->spec();
  subject.sources = run->Sources(flags.data_dir, 60);
  if (!flags.data.empty()) subject.spec.data = flags.data, subject.spec.data_hash.clear();
  if (!flags.objective.empty()) subject.spec.objective = flags.objective;
  NDCAO_ASSIGN(subject.problem, MakeProblem(subject.spec, subject.sources));
  NDCAO_ASSIGN(subject.parameters, run->Parameters(subject.problem->layout()));
  subject.home = std::move(run);
  return subject;
}

Result<Subject> SubjectFromModel(const Flags& flags) {
  Subject subject;
  subject.spec.model = flags.model;
  subject.sources.data_dir = flags.data_dir;
  subject.spec.data = flags.data.empty() ? "fashion-mnist" : flags.data;
  subject.spec.train_limit = flags.train_limit;
  subject.spec.hold_out = flags.hold_out;
  if (!flags.objective.empty()) subject.spec.objective = flags.objective;
  NDCAO_ASSIGN(subject.problem, MakeProblem(subject.spec, subject.sources));
  if (flags.params.empty()) {
    NDCAO_ASSIGN(subject.parameters, subject.problem->Initial(flags.seed));
  } else {
    NDCAO_ASSIGN(subject.parameters, ReadParameters(flags.params));
  }
  if (subject.parameters.size() != subject.problem->layout().size()) {
    return Invalid(fmt::format("--params {}: {} values, but the model has {} parameters",
                               flags.params, subject.parameters.size(),
                               subject.problem->layout().size()));
  }
  return subject;
}

Status ShowPictures(const Flags& flags, const Subject& subject) {
  if (subject.spec.model.empty()) return Invalid("--pictures: the run has no network");
  NDCAO_ASSIGN(const auto data, LoadRunData(subject.spec, flags.data_dir));
  std::vector<std::uint32_t> indices(std::min(flags.pictures, data->test().size()));
  std::iota(indices.begin(), indices.end(), 0);
  const std::string model =
      subject.sources.model_file.empty() ? subject.spec.model : subject.sources.model_file;
  NDCAO_ASSIGN(const auto predictions,
               PredictTest({model, subject.spec.objective, subject.spec.batch_norm},
                           subject.parameters, *data, indices));
  fmt::print("{}", DrawPredictions(*data, predictions));
  return Ok();
}

Result<int> Eval(const Flags& flags) {
  if (flags.model.empty() && (flags.train_limit > 0 || flags.hold_out > 0)) {
    return Invalid("--train-limit and --hold-out go with --model; a run has its own");
  }
  if (flags.location.run.empty() == flags.model.empty()) {
    return Invalid("what to evaluate is missing: --run DIR, or --model M with --params FILE");
  }
  NDCAO_ASSIGN(const Subject subject,
               flags.location.run.empty() ? SubjectFromModel(flags) : SubjectFromRun(flags));
  NDCAO_ASSIGN(const auto evaluator, subject.problem->NewEvaluator());
  std::copy(subject.parameters.begin(), subject.parameters.end(), evaluator->parameters().begin());
  NDCAO_ASSIGN(const Score score, evaluator->Test());
  if (!flags.quiet) {
    if (flags.pictures > 0) NDCAO_TRY(ShowPictures(flags, subject));
    fmt::print("test accuracy  {:.2f} %\ntest loss      {:.4f}\n", 100 * score.accuracy,
               score.loss);
  }
  if (flags.json) {
    const auto number = [](double x) { return std::isfinite(x) ? nlohmann::json(x) : nullptr; };
    nlohmann::ordered_json json;
    json["test_accuracy"] = number(score.accuracy);
    json["test_loss"] = number(score.loss);
    json["parameters"] = subject.parameters.size();
    json["digest"] = DigestHex(subject.parameters);
    fmt::print("{}\n", json.dump());
  }
  return kExitDone;
}

}  // namespace

void AddEval(CLI::App& app, Action& action) {
  CLI::App* verb = app.add_subcommand(
      "eval", "Loss and accuracy on the test part, of a run or of a model with parameters.");
  auto flags = std::make_shared<Flags>();
  verb->add_option("--run", flags->location.run,
                   "A run directory; with --journal nats://HOST:PORT, a run's name there");
  AddJournalOptions(*verb, flags->location, "The server of the run: nats://HOST:PORT");
  verb->add_option("--model", flags->model, "Instead of a run: a model, as for train");
  verb->add_option("--params", flags->params,
                   "Its parameters, a file of float32 values (default: initial ones)");
  verb->add_option("--seed", flags->seed, "Seed of the initial parameters");
  verb->add_option("--data", flags->data, "The data set (default: the run's)");
  verb->add_option("--data-dir", flags->data_dir, "Where the data set's files lie");
  verb->add_option("--train-limit", flags->train_limit,
                   "With --model: the training images (0: all), whose mean is what inputs are "
                   "relative to, as when it was trained");
  verb->add_option("--hold-out", flags->hold_out,
                   "With --model: evaluate on the last N training images instead of the test part");
  verb->add_option("--objective", flags->objective, "The loss (default: the run's)");
  verb->add_option("--pictures", flags->pictures,
                   "Show this many test images and what the network says");
  verb->add_flag("--json", flags->json, "End standard output with one JSON object");
  verb->add_flag("--quiet", flags->quiet, "Nothing but the JSON object");
  SetAction(*verb, action, [flags] { return Eval(*flags); });
}

}  // namespace ndcao
