// What one worker among many that lies about its losses costs, with and without audits. A table,
// then one line of JSON.
//
//   liars --seeds 1 2 3
//
// Every worker is a Session of its own, with its own replica, on one journal in memory; the last
// one tells random, negated, constant or million-fold losses instead of what it measures.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "ndcao/base/log.h"
#include "ndcao/evaluate/torch/network_problem.h"
#include "ndcao/evaluate/torch/runtime.h"
#include "ndcao/journal/memory/memory_journal.h"
#include "ndcao/worker/session.h"
#include "worker/lying_problem.h"

namespace ndcao {
namespace {

struct Flags {
  std::string model = "mlp:784-32-10";
  DataOptions data;
  std::uint64_t budget = 2'000'000;
  std::size_t workers = 10;
  double audit = 0.1;
  std::string mode = "async";
  std::string only = "all";
  std::vector<std::uint64_t> seeds = {1};
};

struct Case {
  std::string name;
  std::optional<Lie> lie;
};

const std::vector<Case> kCases = {{"nobody lies", {}},
                                  {"random", Lie::kRandom},
                                  {"sign flipped", Lie::kFlipped},
                                  {"constant", Lie::kConstant},
                                  {"10^6-fold", Lie::kMillion}};

struct Ending {
  double accuracy = 0;
  std::uint64_t lies = 0;  ///< Groups of the liar that were accepted.
  std::vector<std::string> excluded;
  double late = 0;  ///< Mean number of groups that were accepted since a group's base.
};

RunSpec MakeSpec(const Flags& flags, std::uint64_t seed, double audit) {
  RunSpec spec;
  const OptimizerDefaults defaults = DefaultsFor("noise-budget").value();
  spec.model = flags.model;
  spec.data = flags.data.name;
  spec.options = defaults.options;
  spec.shape = defaults.shape;
  spec.shape.slots = static_cast<std::uint32_t>(flags.workers);
  spec.mode = flags.mode == "sync" ? RunMode::kSync : RunMode::kAsync;
  spec.seed = seed;
  spec.budget = flags.budget;
  if (audit > 0) spec.audit = audit;
  return spec;
}

/// One run to its end. Whoever is shut out of it has failed; the others must not.
Result<Ending> Train(const RunSpec& spec, const Problem& problem, std::size_t workers,
                     std::optional<Lie> lie) {
  MemoryJournal journal;
  NDCAO_ASSIGN(const ParameterVector initial, problem.Initial(spec.seed));
  const LyingProblem false_problem(problem, lie.value_or(Lie::kConstant));
  std::vector<Replica> replicas;
  for (std::size_t i = 0; i < workers; ++i) {
    NDCAO_ASSIGN(Replica replica, Replica::Create(spec, problem.layout(), initial));
    replicas.push_back(std::move(replica));
  }
  Ending ending;
  std::vector<std::optional<Error>> errors(workers);
  const auto work = [&](std::size_t i) {
    SessionOptions options;
    options.name = fmt::format("worker-{}", i);
    options.marks = false;
    const bool lies = lie && i + 1 == workers;
    std::optional<WorkerId> liar;
    options.on_entry = [&](const Replica& replica, const Entry& entry, Outcome outcome) {
      if (const auto* join = std::get_if<JoinRecord>(&entry.record)) {
        if (join->name == fmt::format("worker-{}", workers - 1)) liar = replica.joins() - 1;
      }
      const auto* group = std::get_if<GroupRecord>(&entry.record);
      if (i != 0 || group == nullptr || outcome != Outcome::kFolded) return;
      ending.lies += group->worker == liar;
      ending.late += static_cast<double>(replica.last_staleness());
    };
    Session session(journal, replicas[i], lies ? false_problem : problem, std::move(options));
    const auto result = session.Run();
    if (!result.ok() && !lies) errors[i] = result.error();
  };
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < workers; ++i) threads.emplace_back(work, i);
  }
  for (const auto& error : errors) {
    if (error) return *error;
  }
  ending.late /= static_cast<double>(replicas[0].counters().groups);
  if (const AuditLedger* audits = replicas[0].audits()) ending.excluded = audits->excluded();
  NDCAO_ASSIGN(const auto evaluator, problem.NewEvaluator());
  const ParameterVector& theta = *replicas[0].parameters();
  std::copy(theta.begin(), theta.end(), evaluator->parameters().begin());
  NDCAO_ASSIGN(const Score score, evaluator->Test());
  ending.accuracy = 100 * score.accuracy;
  return ending;
}

Status Measure(const Flags& flags) {
  InitTorch();
  spdlog::set_level(spdlog::level::err);  // every session would say who is shut out
  NDCAO_ASSIGN(Dataset data, LoadDataset(flags.data));
  NDCAO_ASSIGN(const auto problem, MakeNetworkProblem({flags.model, "cross-entropy", "eval"},
                                                      std::make_shared<Dataset>(std::move(data))));
  fmt::print("{:<13} {:>5} {:>4} {:>9} {:>5} {:>7}  {}\n", "lie", "audit", "seed", "accuracy",
             "late", "lies", "excluded");
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const Case& c : kCases) {
    if (flags.only != "all" && flags.only != c.name) continue;
    for (const double audit : {0.0, flags.audit}) {
      for (const std::uint64_t seed : flags.seeds) {
        const RunSpec spec = MakeSpec(flags, seed, audit);
        NDCAO_TRY(spec.Validate());
        NDCAO_ASSIGN(const Ending ending, Train(spec, *problem, flags.workers, c.lie));
        fmt::print("{:<13} {:>5} {:>4} {:>9.2f} {:>5.1f} {:>7}  {}\n", c.name, audit, seed,
                   ending.accuracy, ending.late, c.lie ? ending.lies : 0,
                   ending.excluded.empty() ? "" : ending.excluded[0]);
        std::fflush(stdout);
        rows.push_back({{"lie", c.name},
                        {"audit", audit},
                        {"seed", seed},
                        {"test_accuracy", ending.accuracy},
                        {"late", ending.late},
                        {"accepted_lies", c.lie ? ending.lies : 0},
                        {"excluded", ending.excluded}});
      }
    }
  }
  fmt::print("{}\n", nlohmann::ordered_json{{"rows", rows}}.dump());
  return Ok();
}

}  // namespace
}  // namespace ndcao

int main(int argc, char** argv) {
  CLI::App app("What a lying worker costs, with and without audits");
  ndcao::Flags flags;
  app.add_option("--model", flags.model, "a network of the zoo")->capture_default_str();
  app.add_option("--data", flags.data.name, "mnist or fashion-mnist")->capture_default_str();
  app.add_option("--data-dir", flags.data.directory, "where its files lie");
  app.add_option("--budget", flags.budget, "image-forwards")->capture_default_str();
  app.add_option("--workers", flags.workers, "one of which lies")
      ->check(CLI::Range(2, 100))
      ->capture_default_str();
  app.add_option("--audit", flags.audit, "the share of groups that are audited")
      ->check(CLI::Range(0.001, 1.0))
      ->capture_default_str();
  app.add_option("--mode", flags.mode, "sync or async")
      ->check(CLI::IsMember({"sync", "async"}))
      ->capture_default_str();
  app.add_option("--only", flags.only, "one line of the table: 'nobody lies', random, …")
      ->check(
          CLI::IsMember({"all", "nobody lies", "random", "sign flipped", "constant", "10^6-fold"}))
      ->capture_default_str();
  app.add_option("--seeds", flags.seeds, "one run each")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  const ndcao::Status done = ndcao::Measure(flags);
  if (done.ok()) return 0;
  fmt::print(stderr, "liars: {}\n", done.error().message());
  return 1;
}
