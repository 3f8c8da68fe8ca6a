// ndcao bench: measurements, each a ratio with both sides taken in the same run.
#include "ndcao/cli/bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <thread>

#include "ndcao/base/log.h"
#include "ndcao/cli/run_options.h"
#include "ndcao/cli/train_run.h"
#include "ndcao/data/sampler.h"
#include "ndcao/journal/memory/memory_journal.h"
#include "ndcao/worker/session.h"

namespace ndcao {
namespace {

using Clock = std::chrono::steady_clock;

struct Flags {
  RunOptions run;
  int threads = 1;
  int repeats = 5;
  double seconds = 1;
  bool json = false;
};

/// Images per second of forward passes alone: one evaluator per thread, one batch each.
Result<double> BareInference(const RunSetup& setup, int threads, double seconds) {
  std::vector<std::unique_ptr<Evaluator>> evaluators;
  std::vector<std::uint32_t> examples(setup.spec.batch);
  DrawExamples(1, {}, setup.problem->examples(), examples);
  for (int i = 0; i < threads; ++i) {
    NDCAO_ASSIGN(auto evaluator, setup.problem->NewEvaluator());
    std::copy(setup.initial.begin(), setup.initial.end(), evaluator->parameters().begin());
    NDCAO_TRY(evaluator->Select(examples));
    NDCAO_TRY(evaluator->Loss({}, {}));
    evaluators.push_back(std::move(evaluator));
  }
  std::vector<std::uint64_t> images(evaluators.size(), 0);
  const auto begin = Clock::now();
  const auto end = begin + std::chrono::duration<double>(seconds);
  {
    std::vector<std::jthread> team;
    for (std::size_t i = 0; i < evaluators.size(); ++i) {
      team.emplace_back([&, i] {
        while (Clock::now() < end && evaluators[i]->Loss({}, {}).ok()) images[i] += examples.size();
      });
    }
  }
  const std::chrono::duration<double> took = Clock::now() - begin;
  std::uint64_t total = 0;
  for (const std::uint64_t count : images) total += count;
  return static_cast<double>(total) / took.count();
}

/// Images per second of the whole training, screening included: as many whole rounds as bare
/// inference would do in the time, so that no group is cut off.
Result<double> Training(const RunSetup& setup, int threads, double images) {
  RunSpec spec = setup.spec;
  const double round = static_cast<double>(spec.group_cost() * spec.shape.slots);
  spec.budget = static_cast<std::uint64_t>(std::max(1.0, std::round(images / round)) * round);
  NDCAO_ASSIGN(Replica replica, Replica::Create(spec, setup.problem->layout(), setup.initial));
  MemoryJournal journal;
  SessionOptions options;
  options.threads = threads;
  options.marks = false;
  Session session(journal, replica, *setup.problem, std::move(options));
  NDCAO_ASSIGN(const SessionResult result, session.Run());
  return static_cast<double>(result.image_forwards) / result.seconds;
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

Result<int> Throughput(Flags& flags) {
  if (flags.run.batch == 0) flags.run.batch = 256;
  flags.run.budget = "100G";  // not used: each measurement has its own
  NDCAO_ASSIGN(const RunSetup setup, SetUpRun(flags.run));
  std::vector<double> ratios;
  std::vector<double> bare;
  std::vector<double> training;
  for (int i = 0; i < flags.repeats; ++i) {
    NDCAO_ASSIGN(const double inference, BareInference(setup, flags.threads, flags.seconds));
    NDCAO_ASSIGN(const double whole, Training(setup, flags.threads, inference * flags.seconds));
    bare.push_back(inference);
    training.push_back(whole);
    ratios.push_back(whole / inference);
  }
  nlohmann::ordered_json json;
  json["model"] = flags.run.model;
  json["batch"] = setup.spec.batch;
  json["threads"] = flags.threads;
  json["training_images_per_second"] = Median(training);
  json["inference_images_per_second"] = Median(bare);
  json["ratio"] = Median(ratios);
  json["repeats"] = flags.repeats;
  if (flags.json) {
    fmt::print("{}\n", json.dump());
  } else {
    fmt::print("training   {:12.0f} images/s\ninference  {:12.0f} images/s\nratio      {:12.3f}\n",
               Median(training), Median(bare), Median(ratios));
  }
  return kExitDone;
}

}  // namespace

void AddBench(CLI::App& app, Action& action) {
  CLI::App* bench =
      app.add_subcommand("bench", "Measurements, each a ratio with both sides in one run.");
  bench->require_subcommand(1);
  AddBenchJournal(*bench, action);
  CLI::App* verb = bench->add_subcommand(
      "throughput", "Images/s of the whole training over images/s of bare inference, interleaved.");
  auto flags = std::make_shared<Flags>();
  flags->run.model = "mlp:784-256-10";
  AddRunOptions(*verb, flags->run);
  verb->add_option("--threads", flags->threads, "Worker threads on both sides")
      ->check(CLI::Range(1, 256));
  verb->add_option("--repeats", flags->repeats, "Pairs of measurements; medians are shown")
      ->check(CLI::Range(1, 1000));
  verb->add_option("--seconds", flags->seconds, "Length of each measurement")
      ->check(CLI::PositiveNumber);
  verb->add_flag("--json", flags->json, "End standard output with one JSON object");
  verb->callback([&action, flags] {
    action = [flags] {
      const Result<int> code = Throughput(*flags);
      return code.ok() ? code.value() : ReportError(code.error());
    };
  });
}

}  // namespace ndcao
