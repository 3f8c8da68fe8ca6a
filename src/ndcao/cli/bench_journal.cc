// ndcao bench journal: what it costs to keep every loss, and how fast a run is replayed.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "ndcao/cli/bench.h"
#include "ndcao/cli/number_checks.h"
#include "ndcao/cli/run_home.h"
#include "ndcao/cli/run_options.h"
#include "ndcao/cli/scratch_folder.h"
#include "ndcao/cli/train_run.h"
#include "ndcao/journal/codec.h"
#include "ndcao/journal/file/file_journal.h"
#include "ndcao/worker/session.h"

namespace ndcao {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;

double Since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// Passes everything on, and counts the time that appending takes.
class TimedJournal : public Journal {
 public:
  explicit TimedJournal(Journal& inner) : inner_(inner) {}
  Result<Offset> Append(const Record& record) override {
    const auto begin = Clock::now();
    Result<Offset> offset = inner_.Append(record);
    nanoseconds_ += static_cast<std::uint64_t>(Since(begin) * 1e9);
    return offset;
  }
  Result<std::vector<Entry>> Read(Offset from, std::size_t max,
                                  std::chrono::milliseconds wait) override {
    return inner_.Read(from, max, wait);
  }
  std::uint64_t bytes() const override { return inner_.bytes(); }
  double seconds() const { return static_cast<double>(nanoseconds_) * 1e-9; }

 private:
  Journal& inner_;
  std::atomic<std::uint64_t> nanoseconds_ = 0;
};

GroupRecord SampleGroup(std::uint32_t evaluations, std::uint64_t number) {
  GroupRecord record;
  record.trial = TrialId::Sync(number, 0);
  record.examples = 64;
  record.centre = 0.5f;
  record.losses.assign(evaluations, 0.5f);
  return record;
}

Result<double> AppendsPerSecond(const std::string& folder, FsyncPolicy policy,
                                std::uint32_t evaluations, double seconds) {
  FileJournalOptions options;
  options.fsync = policy;
  NDCAO_ASSIGN(auto journal, FileJournal::Open(folder, options));
  NDCAO_TRY(journal->Append(SpecRecord{"bench = true\n", 1, std::string(32, '0')}));
  std::uint64_t count = 0;
  const auto begin = Clock::now();
  while (Since(begin) < seconds) NDCAO_TRY(journal->Append(SampleGroup(evaluations, count++)));
  return static_cast<double>(count) / Since(begin);
}

/// The limit: the same bytes by write(2), with fdatasync(2) after each if so told.
Result<double> WritesPerSecond(const std::string& path, bool sync, std::uint32_t evaluations,
                               double seconds) {
  const int file = ::open(path.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0) return Failed("cannot write '" + path + "'");
  std::uint64_t count = 0;
  bool written = true;
  const auto begin = Clock::now();
  while (written && Since(begin) < seconds) {
    const auto bytes = EncodeRecord(SampleGroup(evaluations, count++));
    written = ::write(file, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()) &&
              (!sync || ::fdatasync(file) == 0);
  }
  const double took = Since(begin);
  ::close(file);
  if (!written) return Failed("cannot write '" + path + "'");
  return static_cast<double>(count) / took;
}

struct JournalFlags {
  RunOptions run;
  std::string parent = std::filesystem::temp_directory_path();
  int threads = 1;
  double seconds = 1;
  bool json = false;
};

Result<Json> MeasureAppends(const JournalFlags& flags, const ScratchFolder& scratch) {
  Json rows = Json::array();
  for (const std::uint32_t evaluations : {1u, 64u}) {
    for (const char* name : {"always", "interval", "never"}) {
      NDCAO_ASSIGN(const FsyncPolicy policy, ParseFsyncPolicy(name));
      const std::string folder = scratch.Sub(fmt::format("{}-{}", name, evaluations));
      NDCAO_ASSIGN(const double appends,
                   AppendsPerSecond(folder, policy, evaluations, flags.seconds));
      NDCAO_ASSIGN(const double writes,
                   WritesPerSecond(folder + ".raw", policy == FsyncPolicy::kAlways, evaluations,
                                   flags.seconds));
      // A group of M evaluations and its centre, each of a millisecond, and one append.
      const double group = 1e-3 * (evaluations + 1);
      rows.push_back({{"evaluations", evaluations},
                      {"fsync", name},
                      {"appends_per_second", appends},
                      {"writes_per_second", writes},
                      {"ratio", appends / writes},
                      {"share_at_1ms", 1 / appends / (group + 1 / appends)}});
    }
  }
  return rows;
}

constexpr int kReplays = 5;

Result<double> ReplaySeconds(const std::string& folder, const RunSetup& setup,
                             const std::string& digest) {
  NDCAO_ASSIGN(auto journal, FileJournal::Open(folder, {}));
  NDCAO_ASSIGN(Replica replica,
               Replica::Create(setup.spec, setup.problem->layout(), setup.initial));
  const auto begin = Clock::now();
  NDCAO_TRY(FoldJournal(*journal, replica));
  const double seconds = Since(begin);
  if (replica.digest() != digest) return Failed("the replay's digest is another");
  return seconds;
}

Result<Json> MeasureReplay(const JournalFlags& flags, const RunSetup& setup,
                           const ScratchFolder& scratch) {
  NDCAO_ASSIGN(auto journal, FileJournal::Open(scratch.Sub("training"), {}));
  NDCAO_TRY(journal->Append(SpecRecord{"bench = true\n", 1, std::string(32, '0')}));
  TimedJournal timed(*journal);
  NDCAO_ASSIGN(Replica replica,
               Replica::Create(setup.spec, setup.problem->layout(), setup.initial));
  NDCAO_TRY(FoldJournal(*journal, replica));
  SessionOptions options;
  options.threads = flags.threads;
  options.marks = false;
  Session session(timed, replica, *setup.problem, std::move(options));
  NDCAO_ASSIGN(const SessionResult trained, session.Run());

  std::vector<double> replays;
  for (int i = 0; i < kReplays; ++i) {
    NDCAO_ASSIGN(const double seconds,
                 ReplaySeconds(scratch.Sub("training"), setup, replica.digest()));
    replays.push_back(seconds);
  }
  const double replay = Median(std::move(replays));
  return Json{{"model", setup.spec.model},
              {"batch", setup.spec.batch},
              {"groups", replica.counters().groups},
              {"journal_bytes", journal->bytes()},
              {"training_seconds", trained.seconds},
              {"append_seconds", timed.seconds()},
              {"append_share", timed.seconds() / trained.seconds / flags.threads},
              {"replay_seconds", replay},
              {"replay_speed", trained.seconds / replay}};
}

void PrintTable(const Json& appends, const Json& replay) {
  fmt::print("{:>4} {:<9} {:>12} {:>12} {:>7} {:>12}\n", "M", "fsync", "appends/s", "writes/s",
             "ratio", "share @1ms");
  for (const Json& row : appends) {
    fmt::print("{:>4} {:<9} {:>12.0f} {:>12.0f} {:>7.2f} {:>10.4f} %\n",
               row["evaluations"].get<int>(), row["fsync"].get<std::string>(),
               row["appends_per_second"].get<double>(), row["writes_per_second"].get<double>(),
               row["ratio"].get<double>(), 100 * row["share_at_1ms"].get<double>());
  }
  fmt::print("\n{} groups of {} trained in {:.2f} s, {:.4f} % of it in the journal ({} bytes)\n",
             replay["groups"].get<std::uint64_t>(), replay["model"].get<std::string>(),
             replay["training_seconds"].get<double>(), 100 * replay["append_share"].get<double>(),
             replay["journal_bytes"].get<std::uint64_t>());
  fmt::print("replayed in {:.3f} s (median of {}): {:.0f} times as fast\n",
             replay["replay_seconds"].get<double>(), kReplays,
             replay["replay_speed"].get<double>());
}

Result<int> JournalCost(JournalFlags& flags) {
  NDCAO_ASSIGN(const ScratchFolder scratch, ScratchFolder::Create(flags.parent));
  NDCAO_ASSIGN(const RunSetup setup, SetUpRun(flags.run));
  NDCAO_ASSIGN(const Json appends, MeasureAppends(flags, scratch));
  NDCAO_ASSIGN(const Json replay, MeasureReplay(flags, setup, scratch));
  if (flags.json) {
    fmt::print("{}\n", Json{{"appends", appends}, {"replay", replay}}.dump());
  } else {
    PrintTable(appends, replay);
  }
  return kExitDone;
}

}  // namespace

void AddBenchJournal(CLI::App& bench, Action& action) {
  CLI::App* verb = bench.add_subcommand(
      "journal",
      "Appends/s over plain writes of the same bytes, the share of training time spent in the "
      "journal, and replay over training.");
  auto flags = std::make_shared<JournalFlags>();
  flags->run.model = "mlp:784-256-10";
  flags->run.budget = "2M";
  AddRunOptions(*verb, flags->run);
  verb->add_option("--threads", flags->threads, "Worker threads of the training")
      ->check(CLI::Range(1, 256));
  verb->add_option("--seconds", flags->seconds, "Length of each measurement of appends")
      ->check(AboveZero());
  verb->add_option("--dir", flags->parent, "Where to write (the disk that is measured)");
  verb->add_flag("--json", flags->json, "End standard output with one JSON object");
  SetAction(*verb, action, [flags] { return JournalCost(*flags); });
}

}  // namespace ndcao
