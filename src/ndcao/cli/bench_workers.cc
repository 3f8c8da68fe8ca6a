// ndcao bench workers: N worker processes of one training against N processes that only infer.
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "ndcao/base/hash.h"
#include "ndcao/base/log.h"
#include "ndcao/cli/bare_work.h"
#include "ndcao/cli/bench.h"
#include "ndcao/cli/local_nats.h"
#include "ndcao/cli/measuring_process.h"
#include "ndcao/cli/nats_run.h"
#include "ndcao/cli/number_checks.h"
#include "ndcao/cli/run_directory.h"
#include "ndcao/cli/run_location.h"
#include "ndcao/cli/scratch_folder.h"
#include "ndcao/worker/session.h"

namespace ndcao {
namespace {

using Json = nlohmann::ordered_json;

struct WorkersFlags {
  RunOptions run;
  RunLocation location;
  std::string parent = std::filesystem::temp_directory_path();
  int workers = 2;
  int repeats = 5;
  double seconds = 2;
  bool json = false;
};

/// What one process says of itself.
struct Answer {
  double images = 0;
  double seconds = 0;
  std::string digest;
};

void Say(double images, double seconds, const std::string& digest) {
  fmt::print("{} {} {}\n", images, seconds, digest);
}

/// What `count` processes say that do `body` at the same time.
Result<std::vector<Answer>> Together(
    int count, const std::function<Status(const MeasuringProcess::Ready&)>& body) {
  std::vector<std::unique_ptr<MeasuringProcess>> team;
  for (int i = 0; i < count; ++i) team.push_back(std::make_unique<MeasuringProcess>(body));
  bool ready = true;
  for (const auto& process : team) ready = process->AwaitReady() && ready;
  if (!ready) return Failed("a measuring process failed");
  for (const auto& process : team) process->Begin();
  std::vector<Answer> answers;
  for (const auto& process : team) {
    Answer& answer = answers.emplace_back();
    char digest[64] = "";
    const std::string text = process->Answer();
    if (std::sscanf(text.c_str(), "%lf %lf %63s", &answer.images, &answer.seconds, digest) != 3) {
      return Failed("a measuring process failed");
    }
    answer.digest = digest;
  }
  return answers;
}

Status Infer(const WorkersFlags& flags, const MeasuringProcess::Ready& ready) {
  NDCAO_ASSIGN(const RunSetup setup, SetUpRun(flags.run));
  NDCAO_ASSIGN(const BareWork bare, BareWork::Inference(setup, 1));
  ready();
  Say(bare.ImagesPerSecond(flags.seconds), 1, "-");
  return Ok();
}

/// Images per second of all workers together.
Result<double> Inference(const WorkersFlags& flags) {
  NDCAO_ASSIGN(const auto answers,
               Together(flags.workers, [&](const auto& ready) { return Infer(flags, ready); }));
  double sum = 0;
  for (const Answer& answer : answers) sum += answer.images;
  return sum;
}

/// Begins a run of as many whole rounds as `images` make, at `place`.
Status BeginRun(const WorkersFlags& flags, const RunLocation& place, double images) {
  NDCAO_ASSIGN(RunSetup setup, SetUpRun(flags.run));
  RunSpec& spec = setup.spec;
  const double round = static_cast<double>(spec.group_cost() * spec.shape.slots);
  spec.budget = static_cast<std::uint64_t>(std::max(2.0, std::round(images / round)) * round);
  if (place.on_server()) {
    NDCAO_ASSIGN(auto server, ConnectTo(place));
    return NatsRun::CreateOrJoin(std::move(server), place.run, setup, "").ok()
               ? Ok()
               : Status(Failed("the run could not be begun on " + place.journal));
  }
  NDCAO_TRY(
      RunDirectory::Create(place.directory, spec, setup.problem->layout(), setup.initial, {}));
  return Ok();
}

Status Work(const WorkersFlags& flags, const RunLocation& place,
            const MeasuringProcess::Ready& ready) {
  NDCAO_ASSIGN(const auto run, OpenRun(place, {}, true));
  RunSpec spec = run->spec();
  NDCAO_ASSIGN(const auto problem, MakeProblem(spec, run->Sources(flags.run.data_dir, 60)));
  NDCAO_ASSIGN(const Offset end, run->End());
  NDCAO_ASSIGN(Replica replica, run->Fold(problem->layout(), end, true));
  ready();
  SessionOptions options;
  options.name = run->WorkerName();
  options.marks = false;
  Session session(run->journal(), replica, *problem, std::move(options));
  NDCAO_ASSIGN(const SessionResult result, session.Run());
  Say(static_cast<double>(replica.counters().image_forwards), result.seconds,
      DigestHex(*replica.parameters()));
  return Ok();
}

struct Training {
  double images_per_second = 0;
  std::string digest;  ///< Of all workers; empty if they differ.
};

/// One training of about `images` by so many workers.
Result<Training> Train(const WorkersFlags& flags, const RunLocation& place, int workers,
                       double images) {
  MeasuringProcess first([&](const auto&) -> Status {
    NDCAO_TRY(BeginRun(flags, place, images));
    fmt::print("begun\n");
    return Ok();
  });
  if (first.Answer().empty()) return Failed("the run could not be begun");
  NDCAO_ASSIGN(const auto answers,
               Together(workers, [&](const auto& ready) { return Work(flags, place, ready); }));
  Training training{0, answers.front().digest};
  double seconds = 0;
  for (const Answer& answer : answers) {
    seconds = std::max(seconds, answer.seconds);
    if (answer.digest != training.digest) training.digest.clear();
  }
  training.images_per_second = answers.front().images / seconds;
  return training;
}

/// Places for runs, one after another.
class Places {
 public:
  static Result<Places> Create(const WorkersFlags& flags) {
    NDCAO_ASSIGN(ScratchFolder scratch, ScratchFolder::Create(flags.parent));
    Places places(std::move(scratch), flags.location);
    const std::string& journal = flags.location.journal;
    if (journal == "nats") {
      NDCAO_ASSIGN(places.server_, LocalNats::Start(places.scratch_.Sub("nats")));
      places.base_.journal = places.server_->url();
    } else if (journal == "file") {
      places.base_.journal.clear();
    } else if (!places.base_.on_server()) {
      return Invalid(
          fmt::format("--journal {}: expected file, nats, or nats://HOST:PORT", journal));
    }
    return places;
  }

  RunLocation Next() {
    RunLocation place = base_;
    const std::string name = fmt::format("bench-{}-{}", ::getpid(), ++count_);
    (place.on_server() ? place.run : place.directory) =
        place.on_server() ? name : scratch_.Sub(name);
    return place;
  }

 private:
  Places(ScratchFolder scratch, RunLocation base)
      : scratch_(std::move(scratch)), base_(std::move(base)) {}

  ScratchFolder scratch_;
  std::unique_ptr<LocalNats> server_;  // ends before its folder goes
  RunLocation base_;
  int count_ = 0;
};

Result<Json> Measure(const WorkersFlags& flags, Places& places) {
  std::vector<double> inference, training, ratios;
  double images = 0;
  std::string digest;
  bool same = true;
  for (int i = 0; i < flags.repeats; ++i) {
    NDCAO_ASSIGN(const double bare, Inference(flags));
    if (images == 0) images = bare * flags.seconds;  // all trainings are the same run
    NDCAO_ASSIGN(const Training trained, Train(flags, places.Next(), flags.workers, images));
    inference.push_back(bare);
    training.push_back(trained.images_per_second);
    ratios.push_back(trained.images_per_second / bare);
    if (i == 0) digest = trained.digest;
    same = same && !trained.digest.empty() && trained.digest == digest;
  }
  NDCAO_ASSIGN(const Training alone, Train(flags, places.Next(), 1, images));
  return Json{{"model", flags.run.model},
              {"batch", flags.run.batch},
              {"workers", flags.workers},
              {"journal", flags.location.journal},
              {"training_images_per_second", Median(training)},
              {"inference_images_per_second", Median(inference)},
              {"ratio", Median(ratios)},
              {"repeats", flags.repeats},
              {"one_worker_images_per_second", alone.images_per_second},
              {"digest", digest},
              {"same_digest", same && alone.digest == digest}};
}

void PrintTable(const Json& json) {
  fmt::print(
      "training   {:12.0f} images/s by {} workers of one run\n"
      "inference  {:12.0f} images/s by as many processes alone\n"
      "ratio      {:12.3f}\n"
      "digest     {:>12}\n",
      json["training_images_per_second"].get<double>(), json["workers"].get<int>(),
      json["inference_images_per_second"].get<double>(), json["ratio"].get<double>(),
      json["same_digest"].get<bool>() ? "as one worker's" : "DIFFERS from one worker's");
}

Result<int> Workers(WorkersFlags& flags) {
  if (flags.run.batch == 0) flags.run.batch = flags.run.usual_batch = 256;
  if (flags.run.mode != "sync" || flags.run.probe != "weights") {
    return Invalid("bench workers compares digests, so it needs --mode sync and --probe weights");
  }
  flags.run.budget = "100G";  // not used: each training has its own
  NDCAO_ASSIGN(Places places, Places::Create(flags));
  NDCAO_ASSIGN(const Json json, Measure(flags, places));
  if (flags.json) {
    fmt::print("{}\n", json.dump());
  } else {
    PrintTable(json);
  }
  return json["same_digest"].get<bool>() ? kExitDone : kExitFailed;
}

}  // namespace

void AddBenchWorkers(CLI::App& bench, Action& action) {
  CLI::App* verb = bench.add_subcommand(
      "workers",
      "N worker processes of one training over N processes that infer alone, interleaved. Fails if "
      "the parameters' digest is not that of one worker.");
  auto flags = std::make_shared<WorkersFlags>();
  flags->run.model = "mlp:784-256-10";
  flags->location.journal = "file";
  AddRunOptions(*verb, flags->run);
  AddJournalOptions(
      *verb, flags->location,
      "What the workers share: file (a directory), nats (a nats-server is started for "
      "it), or a server that runs: nats://HOST:PORT");
  verb->add_option("--workers", flags->workers, "Processes on each side")->check(CLI::Range(1, 64));
  verb->add_option("--repeats", flags->repeats, "Pairs of measurements; medians are shown")
      ->check(CLI::Range(1, 1000));
  verb->add_option("--seconds", flags->seconds, "Length of each measurement")->check(AboveZero());
  verb->add_option("--dir", flags->parent, "Where runs and the server's files are written");
  verb->add_flag("--json", flags->json, "End standard output with one JSON object");
  SetAction(*verb, action, [flags] { return Workers(*flags); });
}

}  // namespace ndcao
