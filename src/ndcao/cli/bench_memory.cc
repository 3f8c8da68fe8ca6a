// ndcao bench memory: peak resident memory above start, of each way in a process of its own.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "ndcao/base/log.h"
#include "ndcao/cli/bare_work.h"
#include "ndcao/cli/bench.h"
#include "ndcao/cli/measuring_process.h"
#include "ndcao/cli/peak_memory.h"
#include "ndcao/cli/train_run.h"
#include "ndcao/data/sampler.h"
#include "ndcao/evaluate/torch/network_problem.h"

namespace ndcao {
namespace {

using Json = nlohmann::ordered_json;

struct MemoryFlags {
  RunOptions run;
  int threads = 1;
  int repeats = 5;
  std::string adam;
  bool json = false;
};

constexpr int kForwards = 4;

Status Infer(RunSetup& setup, int) {
  std::vector<std::uint32_t> examples(setup.spec.batch);
  DrawExamples(1, {}, setup.problem->examples(), examples);
  NDCAO_ASSIGN(auto evaluator, NewPlainEvaluator(*setup.problem));
  std::copy(setup.initial.begin(), setup.initial.end(), evaluator->parameters().begin());
  NDCAO_TRY(evaluator->Select(examples));
  for (int i = 0; i < kForwards; ++i) NDCAO_TRY(evaluator->Loss({}, {}));
  return Ok();
}

// Two rounds: memory does not grow after the first. The initial parameters become the replica's.
Status Train(RunSetup& setup, int threads) {
  NDCAO_TRY(TrainRounds(setup, std::move(setup.initial), 2, threads));
  return Ok();
}

struct Peak {
  std::uint64_t bytes = 0;
  std::uint64_t parameters = 0;
};

Result<Peak> PeakOf(const MemoryFlags& flags, const std::function<Status(RunSetup&, int)>& work) {
  NDCAO_ASSIGN(RunSetup setup, SetUpRun(flags.run));
  NDCAO_TRY(CheckHasExamples(setup));
  const std::uint64_t parameters = setup.initial.size();
  const PeakMemory memory;
  if (!memory.restarted())
    return Failed("this kernel does not restart VmHWM (proc(5), clear_refs)");
  NDCAO_TRY(work(setup, flags.threads));
  return Peak{memory.above_start(), parameters};
}

Result<Peak> MeasureInChild(const MemoryFlags& flags,
                            const std::function<Status(RunSetup&, int)>& work) {
  MeasuringProcess child([&](const auto&) -> Status {
    NDCAO_ASSIGN(const Peak peak, PeakOf(flags, work));
    fmt::print("{} {}\n", peak.bytes, peak.parameters);
    return Ok();
  });
  const std::string text = child.Answer();
  Peak peak;
  if (std::sscanf(text.c_str(), "%lu %lu", &peak.bytes, &peak.parameters) != 2) {
    return Failed("the measurement in a child process failed");
  }
  return peak;
}

// The median of some processes: how the pool of memory is cut up differs from one to the next.
Result<Peak> MedianInChildren(const MemoryFlags& flags,
                              const std::function<Status(RunSetup&, int)>& work) {
  std::vector<Peak> peaks;
  for (int i = 0; i < flags.repeats; ++i) {
    NDCAO_ASSIGN(const Peak peak, MeasureInChild(flags, work));
    peaks.push_back(peak);
  }
  std::sort(peaks.begin(), peaks.end(),
            [](const Peak& a, const Peak& b) { return a.bytes < b.bytes; });
  return peaks[peaks.size() / 2];
}

// The program bench/adam_memory of the build, beside this one.
std::string AdamProgram(const MemoryFlags& flags) {
  if (!flags.adam.empty()) return flags.adam;
  std::error_code ignored;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", ignored);
  return (self.parent_path() / "bench" / "adam_memory").string();
}

Result<std::optional<std::uint64_t>> MeasureAdam(const MemoryFlags& flags) {
  const std::string program = AdamProgram(flags);
  if (::access(program.c_str(), X_OK) != 0) {
    if (!flags.adam.empty()) return Invalid("--adam " + flags.adam + ": no such program");
    spdlog::info("no {}: Adam is left out", program);
    return std::optional<std::uint64_t>();
  }
  const std::string batch = std::to_string(flags.run.batch);
  MeasuringProcess child([&](const auto&) -> Status {
    ::execl(program.c_str(), program.c_str(), "--model", flags.run.model.c_str(), "--data",
            flags.run.data.c_str(), "--data-dir", flags.run.data_dir.c_str(), "--batch",
            batch.c_str(), nullptr);
    return Failed("cannot run " + program);
  });
  const std::string text = child.Answer();
  std::uint64_t bytes = 0;
  if (std::sscanf(text.c_str(), "%lu", &bytes) != 1) return Failed(program + " failed");
  return std::optional(bytes);
}

double Mebibytes(std::uint64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

Result<int> Memory(MemoryFlags& flags) {
  if (flags.run.probe != "weights") return Invalid("bench memory measures --probe weights only");
  if (flags.run.batch == 0) flags.run.batch = flags.run.usual_batch = 256;
  flags.run.budget = "1G";  // not used: two rounds are enough
  if (flags.run.evaluations == 0) flags.run.evaluations = 8;
  if (flags.run.slots == 0) flags.run.slots = 1;
  if (!flags.run.screening) flags.run.screening = 2;
  NDCAO_ASSIGN(const Peak inference, MedianInChildren(flags, Infer));
  NDCAO_ASSIGN(Peak training, MedianInChildren(flags, Train));
  NDCAO_ASSIGN(const auto adam, MeasureAdam(flags));
  const std::uint64_t theta = inference.parameters * sizeof(float);
  training.bytes += theta;  // the replica's: it was there at the start, as the initial parameters
  const auto threads = static_cast<double>(flags.threads);
  const double allowed =
      threads * (1.15 * static_cast<double>(inference.bytes) + 2 * static_cast<double>(theta));
  Json json = {
      {"model", flags.run.model},
      {"parameters", inference.parameters},
      {"batch", flags.run.batch},
      {"threads", flags.threads},
      {"inference_bytes", inference.bytes},
      {"training_bytes", training.bytes},
      {"limit_bytes", allowed},
      {"ratio", static_cast<double>(training.bytes) / static_cast<double>(inference.bytes)}};
  if (adam) {
    json["adam_bytes"] = *adam;
    json["of_adam"] = static_cast<double>(training.bytes) / static_cast<double>(*adam);
  }
  if (flags.json) {
    fmt::print("{}\n", json.dump());
    return kExitDone;
  }
  fmt::print("inference  {:10.1f} MiB above start\n", Mebibytes(inference.bytes));
  fmt::print("training   {:10.1f} MiB, {:.2f} of inference's\n", Mebibytes(training.bytes),
             json["ratio"].get<double>());
  fmt::print("limit      {:10.1f} MiB (1.15 of inference's and two copies of θ, each thread)\n",
             allowed / (1 << 20));
  if (adam) {
    fmt::print("Adam       {:10.1f} MiB; training takes {:.3f} of it\n", Mebibytes(*adam),
               json["of_adam"].get<double>());
  }
  return kExitDone;
}

}  // namespace

void AddBenchMemory(CLI::App& bench, Action& action) {
  CLI::App* verb = bench.add_subcommand(
      "memory",
      "Peak resident memory above start: inference, training, and Adam if it was built. Groups are "
      "small unless flags say otherwise, so that it takes seconds: 8 evaluations, one slot, K = 2. "
      "As train has them: --evaluations 64 --slots 4 --screening 16.");
  auto flags = std::make_shared<MemoryFlags>();
  flags->run.model = "resnet20";
  AddRunOptions(*verb, flags->run);
  verb->add_option("--threads", flags->threads, "Worker threads of the training")
      ->check(CLI::Range(1, 256));
  verb->add_option("--repeats", flags->repeats, "Processes of each kind; medians are shown")
      ->check(CLI::Range(1, 99));
  verb->add_option("--adam", flags->adam, "The program that measures Adam (default: the build's)");
  verb->add_flag("--json", flags->json, "End standard output with one JSON object");
  SetAction(*verb, action, [flags] { return Memory(*flags); });
}

}  // namespace ndcao
