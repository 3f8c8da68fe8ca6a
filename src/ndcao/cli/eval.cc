// ndcao eval: loss and accuracy of a run, or of a model with parameters.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
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
#include "ndcao/cli/score_json.h"
#include "ndcao/cli/train_run.h"

namespace ndcao {
namespace {

// Of the training part, as many examples as the usual test part has.
constexpr std::uint32_t kTrainExamples = 10000;
constexpr std::uint32_t kBatch = 1000;

struct Flags {
  RunLocation location;  // its directory or run: --run
  std::string model;
  std::string params;
  std::string data;
  std::string data_dir;
  std::string objective;
  std::optional<std::uint64_t> seed;
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
    NDCAO_ASSIGN(subject.parameters, subject.problem->Initial(flags.seed.value_or(1)));
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

/// What was measured, and what it took.
struct Measurement {
  Score test;
  double train_loss = NAN;  // mean over the first training examples
  std::uint64_t image_forwards = 0;
  std::uint64_t evaluations = 0;
  double seconds = 0;
};

Result<Measurement> Measure(const Subject& subject) {
  NDCAO_ASSIGN(const auto evaluator, subject.problem->NewEvaluator());
  std::copy(subject.parameters.begin(), subject.parameters.end(), evaluator->parameters().begin());
  const auto start = std::chrono::steady_clock::now();
  Measurement measured;
  NDCAO_ASSIGN(measured.test, evaluator->Test());
  measured.evaluations = 1;
  const std::uint32_t examples = std::min(kTrainExamples, subject.problem->examples());
  measured.image_forwards = std::uint64_t{subject.problem->test_examples()} + examples;
  double sum = 0;
  for (std::uint32_t first = 0; first < examples; first += kBatch) {
    std::vector<std::uint32_t> batch(std::min(kBatch, examples - first));
    std::iota(batch.begin(), batch.end(), first);
    NDCAO_TRY(evaluator->Select(batch));
    NDCAO_ASSIGN(const double loss, evaluator->Loss(TrialId::Sync(0, 0), {}));
    sum += loss * static_cast<double>(batch.size());
    ++measured.evaluations;
  }
  measured.train_loss = examples > 0 ? sum / examples : measured.test.loss;
  measured.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return measured;
}

Result<nlohmann::ordered_json> Json(const Subject& subject, const Measurement& measured) {
  const RunSpec& spec = subject.spec;
  NDCAO_ASSIGN(const Partition partition,
               MakePartition(spec.blocks, spec.blocks_text, subject.problem->layout(), spec.seed));
  nlohmann::ordered_json json = ScoreJson(measured.test, measured.train_loss);
  json["image_forwards"] = measured.image_forwards;
  json["loss_evaluations"] = measured.evaluations;
  json["wall_seconds"] = measured.seconds;
  json["images_per_second"] =
      static_cast<double>(measured.image_forwards) / std::max(1e-9, measured.seconds);
  json["parameters"] = subject.parameters.size();
  json["blocks"] = partition.blocks().size();
  json["journal_bytes"] = subject.home ? subject.home->journal().bytes() : 0;
  json["digest"] = DigestHex(subject.parameters);
  json["run_dir"] = subject.home ? subject.home->products() : "";
  return json;
}

Result<int> Eval(const Flags& flags) {
  if (flags.model.empty() && (flags.train_limit > 0 || flags.hold_out > 0)) {
    return Invalid("--train-limit and --hold-out go with --model; a run has its own");
  }
  if (flags.model.empty() && !flags.params.empty()) {
    return Invalid("--params goes with --model; a run has its own");
  }
  if (flags.model.empty() && flags.seed) {
    return Invalid("--seed goes with --model; a run has its own");
  }
  if (!flags.params.empty() && flags.seed) {
    return Invalid("--params and --seed: only one of them says what the parameters are");
  }
  if (!flags.location.run.empty() && !flags.model.empty()) {
    return Invalid("--run and --model: one of them is evaluated");
  }
  if (flags.location.run.empty() && flags.model.empty()) {
    return Invalid("what to evaluate is missing: --run DIR, or --model M with --params FILE");
  }
  NDCAO_ASSIGN(const Subject subject,
               flags.location.run.empty() ? SubjectFromModel(flags) : SubjectFromRun(flags));
  NDCAO_ASSIGN(const Measurement measured, Measure(subject));
  if (!flags.quiet) {
    if (flags.pictures > 0) NDCAO_TRY(ShowPictures(flags, subject));
    if (!std::isnan(measured.test.accuracy)) {
      fmt::print("test accuracy  {:.2f} %\n", 100 * measured.test.accuracy);
    }
    fmt::print("test loss      {:.4f}\ntrain loss     {:.4f}\n", measured.test.loss,
               measured.train_loss);
  }
  if (flags.json) {
    NDCAO_ASSIGN(const nlohmann::ordered_json json, Json(subject, measured));
    fmt::print("{}\n", json.dump());
  }
  return kExitDone;
}

}  // namespace

void AddEval(CLI::App& app, Action& action) {
  CLI::App* verb = app.add_subcommand(
      "eval",
      "Loss and accuracy on the test part, of a run or of a model with parameters, and the loss "
      "on the first 10,000 training examples.");
  auto flags = std::make_shared<Flags>();
  verb->add_option("--run", flags->location.run,
                   "A run directory; with --journal nats://HOST:PORT, a run's name there");
  AddJournalOptions(*verb, flags->location, "The server of the run: nats://HOST:PORT");
  verb->add_option("--model", flags->model, "Instead of a run: a model, as for train");
  verb->add_option("--params", flags->params,
                   "Its parameters, a file of float32 values (default: initial ones)");
  verb->add_option("--seed", flags->seed,
                   "With --model: seed of the initial parameters (default: 1)");
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
