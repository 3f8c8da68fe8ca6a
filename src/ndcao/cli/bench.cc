// ndcao bench: measurements, each a ratio with both sides taken in the same run.
#include "ndcao/cli/bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "ndcao/activation/input_factor.h"
#include "ndcao/base/log.h"
#include "ndcao/cli/bare_work.h"
#include "ndcao/cli/number_checks.h"
#include "ndcao/cli/train_run.h"
#include "ndcao/evaluate/torch/network_problem.h"
#include "ndcao/journal/memory/memory_journal.h"
#include "ndcao/random/perturbation_stream.h"
#include "ndcao/worker/activation_session.h"

namespace ndcao {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;

struct Flags {
  RunOptions run;
  int threads = 1;
  int repeats = 5;
  double seconds = 1;
  bool limit = false;
  bool json = false;
};

/// Parameters per second of θ + s·sign, one thread.
double StreamingRate(const ParameterVector& parameters, double seconds) {
  const PerturbationStream stream(1);
  ParameterVector out(parameters.size());
  std::uint32_t calls = 0;
  const auto begin = Clock::now();
  const auto end = begin + std::chrono::duration<double>(seconds);
  while (Clock::now() < end) {
    for (int i = 0; i < 16; ++i) stream.Perturb({}, calls++, 1e-3f, 0, parameters, out);
  }
  const std::chrono::duration<double> took = Clock::now() - begin;
  return static_cast<double>(calls) * static_cast<double>(parameters.size()) / took.count();
}

struct TrainingCost {
  double forwards = 0;  ///< Images through forward passes,
  double products = 0;  ///< and through weight-gradient products.
  double seconds = 0;
  PhaseSeconds phases{};
};

SessionOptions Unmarked(int threads) {
  SessionOptions options;
  options.threads = threads;
  options.marks = false;
  return options;
}

/// The whole training, screening included: as many whole rounds as bare
/// inference would do in the time, so that no group is cut off.
Result<TrainingCost> Training(const RunSetup& setup, int threads, double images) {
  const double round = static_cast<double>(setup.spec.group_cost() * setup.spec.shape.slots);
  const auto rounds = static_cast<std::uint64_t>(std::max(1.0, std::round(images / round)));
  NDCAO_ASSIGN(const SessionResult result, TrainRounds(setup, setup.initial, rounds, threads));
  return TrainingCost{static_cast<double>(result.image_forwards), 0, result.seconds, result.phases};
}

/// A run that probes activations and has its first steps behind it. What it is given outlives it.
class ActivationTraining {
 public:
  static Result<std::unique_ptr<ActivationTraining>> Start(const RunSetup& setup, int threads) {
    ActivationSession::Evaluators evaluators;
    for (std::uint32_t slot = 0; slot < setup.spec.shape.slots; ++slot) {
      NDCAO_ASSIGN(auto evaluator, NewActivationEvaluator(*setup.problem));
      evaluators.push_back(std::move(evaluator));
    }
    NDCAO_ASSIGN(ActivationReplica replica,
                 ActivationReplica::Create(setup.spec, setup.problem->layout(), setup.initial,
                                           TableOf(evaluators.front()->plan())));
    std::unique_ptr<ActivationTraining> training(
        new ActivationTraining(setup, std::move(evaluators), std::move(replica), threads));
    NDCAO_TRY(training->Run(InputFactor::kFirstSteps));
    return training;
  }

  /// About as many images, in whole periods of what is not done in every step.
  Result<TrainingCost> Train(double images) {
    const double step = static_cast<double>(replica_.step_cost() + setup_.spec.batch);
    const double periods = std::round(images / step / InputFactor::kInterval);
    return Run(InputFactor::kInterval * static_cast<std::uint64_t>(std::max(1.0, periods)));
  }

 private:
  ActivationTraining(const RunSetup& setup, ActivationSession::Evaluators evaluators,
                     ActivationReplica replica, int threads)
      : setup_(setup),
        replica_(std::move(replica)),
        session_(setup.spec, *setup.problem, std::move(evaluators), journal_, replica_,
                 Unmarked(threads)) {}

  Result<TrainingCost> Run(std::uint64_t steps) {
    const std::uint64_t before = replica_.counters().steps;
    replica_.set_budget(replica_.CostOf(before + steps));
    NDCAO_ASSIGN(const SessionResult result, session_.Run());
    const std::uint64_t products = (replica_.counters().steps - before) * setup_.spec.batch;
    return TrainingCost{static_cast<double>(result.image_forwards), static_cast<double>(products),
                        result.seconds, result.phases};
  }

  const RunSetup& setup_;
  MemoryJournal journal_;
  ActivationReplica replica_;
  ActivationSession session_;
};

/// Both sides and their parts, one value for each repeat.
struct Samples {
  std::vector<double> inference, products, training, ratios, streaming, limits;
  double thread_seconds = 0;  ///< Wall time × threads.
  PhaseSeconds phases{};
};

Result<Samples> Measure(const Flags& flags, const RunSetup& setup) {
  Samples samples;
  const bool activations = setup.spec.probe == ProbeTarget::kActivations;
  NDCAO_ASSIGN(const BareWork bare, BareWork::Inference(setup, flags.threads));
  std::optional<BareWork> bare_products;
  std::unique_ptr<ActivationTraining> probing;
  if (activations) {
    NDCAO_ASSIGN(bare_products, BareWork::Products(setup, flags.threads));
    NDCAO_ASSIGN(probing, ActivationTraining::Start(setup, flags.threads));
  }
  for (int i = 0; i < flags.repeats; ++i) {
    const double inference = bare.ImagesPerSecond(flags.seconds);
    if (bare_products) samples.products.push_back(bare_products->ImagesPerSecond(flags.seconds));
    const double images = inference * flags.seconds;
    NDCAO_ASSIGN(const TrainingCost training,
                 probing ? probing->Train(images) : Training(setup, flags.threads, images));
    double bare_seconds = training.forwards / inference;
    if (bare_products) bare_seconds += training.products / samples.products.back();
    samples.inference.push_back(inference);
    samples.training.push_back(training.forwards / training.seconds);
    samples.ratios.push_back(bare_seconds / training.seconds);
    samples.thread_seconds += training.seconds * flags.threads;
    for (std::size_t p = 0; p < kPhases; ++p) samples.phases[p] += training.phases[p];
    if (!flags.limit) continue;
    samples.streaming.push_back(StreamingRate(setup.initial, flags.seconds / 10));
    const double forward = setup.spec.batch * flags.threads / inference;
    const double streams = 2 * static_cast<double>(setup.initial.size()) / samples.streaming.back();
    samples.limits.push_back(forward / (forward + streams));
  }
  return samples;
}

Json ToJson(const Flags& flags, const RunSetup& setup, const Samples& samples) {
  Json phases = Json::object();
  double sum = 0;
  for (std::size_t p = 0; p < kPhases; ++p) {
    const double share = samples.phases[p] / samples.thread_seconds;
    phases[std::string(PhaseName(static_cast<Phase>(p)))] = share;
    sum += share;
  }
  Json json;
  json["model"] = flags.run.model;
  json["parameters"] = setup.initial.size();
  json["probe"] = flags.run.probe;
  json["batch"] = setup.spec.batch;
  json["screening"] = setup.spec.screening;
  json["precision"] = setup.spec.precision;
  json["threads"] = flags.threads;
  json["training_images_per_second"] = Median(samples.training);
  json["inference_images_per_second"] = Median(samples.inference);
  if (!samples.products.empty()) {
    json["products_images_per_second"] = Median(samples.products);
  }
  json["ratio"] = Median(samples.ratios);
  json["repeats"] = flags.repeats;
  json["phases"] = phases;
  json["phases_sum"] = sum;
  if (!flags.limit) return json;
  json["streaming_parameters_per_second"] = Median(samples.streaming);
  json["limit"] = Median(samples.limits);
  return json;
}

void PrintTable(const Json& json) {
  fmt::print("training   {:12.0f} images/s\ninference  {:12.0f} images/s\n",
             json["training_images_per_second"].get<double>(),
             json["inference_images_per_second"].get<double>());
  if (json.contains("products_images_per_second")) {
    fmt::print("products   {:12.0f} images/s (weight gradients, one for each step)\n",
               json["products_images_per_second"].get<double>());
  }
  fmt::print("ratio      {:12.3f}\n", json["ratio"].get<double>());
  if (json.contains("limit")) {
    fmt::print("limit      {:12.3f} (F / (F + 2d/S), S = {:.2f} G parameters/s)\n",
               json["limit"].get<double>(),
               1e-9 * json["streaming_parameters_per_second"].get<double>());
  }
  if (!json.contains("phases")) return;
  fmt::print("\nof the threads' time\n");
  for (const auto& [name, share] : json["phases"].items()) {
    fmt::print("{:<10} {:12.2f} %\n", name, 100 * share.get<double>());
  }
  fmt::print("{:<10} {:12.2f} %\n", "sum", 100 * json["phases_sum"].get<double>());
}

Result<int> Throughput(Flags& flags) {
  if (flags.run.batch == 0) flags.run.batch = flags.run.usual_batch = 256;
  flags.run.budget = "100G";  // not used: each measurement has its own
  NDCAO_ASSIGN(const RunSetup setup, SetUpRun(flags.run));
  const bool weights = setup.spec.probe == ProbeTarget::kWeights;
  if (flags.limit && !(weights && flags.run.model.starts_with("mlp:"))) {
    return Invalid(
        fmt::format("--limit is for --probe weights on mlp networks, where perturbing costs most; "
                    "here it is --probe {} on {}",
                    flags.run.probe, flags.run.model));
  }
  NDCAO_ASSIGN(const Samples samples, Measure(flags, setup));
  const Json json = ToJson(flags, setup, samples);
  if (flags.json) {
    fmt::print("{}\n", json.dump());
  } else {
    PrintTable(json);
  }
  return kExitDone;
}

}  // namespace

Result<SessionResult> TrainRounds(const RunSetup& setup, ParameterVector initial,
                                  std::uint64_t rounds, int threads) {
  RunSpec spec = setup.spec;
  spec.budget = rounds * spec.group_cost() * spec.shape.slots;
  NDCAO_ASSIGN(Replica replica, Replica::Create(spec, setup.problem->layout(), std::move(initial)));
  MemoryJournal journal;
  return Session(journal, replica, *setup.problem, Unmarked(threads)).Run();
}

void AddBench(CLI::App& app, Action& action) {
  CLI::App* bench =
      app.add_subcommand("bench", "Measurements, each a ratio with both sides in one run.");
  bench->require_subcommand(1);
  AddBenchJournal(*bench, action);
  AddBenchMemory(*bench, action);
  AddBenchWorkers(*bench, action);
  CLI::App* verb = bench->add_subcommand(
      "throughput",
      "Images/s of the whole training over images/s of bare inference, interleaved. With --probe "
      "activations: the time of the same forward passes and weight-gradient products, bare, over "
      "that of the training, which has its first steps behind it.");
  auto flags = std::make_shared<Flags>();
  flags->run.model = "mlp:784-256-10";
  AddRunOptions(*verb, flags->run);
  verb->add_option("--threads", flags->threads, "Worker threads on both sides")
      ->check(CLI::Range(1, 256));
  verb->add_option("--repeats", flags->repeats, "Pairs of measurements; medians are shown")
      ->check(CLI::Range(1, 1000));
  verb->add_option("--seconds", flags->seconds, "Length of each measurement")->check(AboveZero());
  verb->add_flag("--limit", flags->limit,
                 "Show F / (F + 2d/S) too: a forward pass over it and two streams of θ + s·sign");
  verb->add_flag("--json", flags->json, "End standard output with one JSON object");
  SetAction(*verb, action, [flags] { return Throughput(*flags); });
}

}  // namespace ndcao
