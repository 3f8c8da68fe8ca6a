// ndcao runs: the runs on a server, how far they are, and who works on them.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "ndcao/base/log.h"
#include "ndcao/cli/command.h"
#include "ndcao/cli/progress.h"
#include "ndcao/cli/run_location.h"
#include "ndcao/cli/train_run.h"
#include "ndcao/journal/nats/names.h"

namespace ndcao {
namespace {

using Json = nlohmann::ordered_json;

struct Flags {
  RunLocation location;
  bool json = false;
};

struct Listing {
  std::string run;
  double fraction = 0;
  double image_forwards = 0;
  double images_per_second = 0;  // of all live processes
  std::vector<std::string> workers;
  std::vector<std::string> excluded;  // whose losses were found wrong
  std::uint32_t stages = 0;  // of a partitioned run; what it was when all had left is not kept

  // Progress only grows, so the largest that anybody told is the newest. What makes no sense is
  // passed over: any worker may write it.
  void Note(const std::string& text) {
    try {
      const Json json = Json::parse(text);
      fraction = std::max(fraction, json.value("fraction", 0.0));
      image_forwards = std::max(image_forwards, json.value("image_forwards", 0.0));
      const auto names = json.value("excluded", std::vector<std::string>());
      if (names.size() > excluded.size()) excluded = names;
      images_per_second += json.value("images_per_second", 0.0);
    } catch (const Json::exception& error) {
      spdlog::warn("run {}: a message of its workers is no progress: {}", run, error.what());
    }
  }
  Json ToJson() const {
    Json json = {{"run", run},
                 {"fraction", fraction},
                 {"image_forwards", image_forwards},
                 {"images_per_second", images_per_second},
                 {"workers", workers},
                 {"excluded", excluded}};
    if (stages > 0) json["stages"] = stages;
    return json;
  }
};

/// Of a partitioned run, otherwise 0.
Result<std::uint32_t> StagesOf(RunServer& server, const std::string& run) {
  NDCAO_ASSIGN(const auto text, server.Get(SpecKey(run)));
  const Json json = Json::parse(text.value_or(""), nullptr, false);
  if (!json.is_object() || !json.contains("stages")) return 0;
  return json["stages"].is_number_unsigned() ? json["stages"].get<std::uint32_t>() : 0;
}

Result<std::vector<Listing>> ListRuns(RunServer& server) {
  NDCAO_ASSIGN(const auto runs, server.Runs());
  NDCAO_ASSIGN(const auto alive, server.Alive());
  std::vector<Listing> listings;
  for (const std::string& run : runs) {
    Listing& listing = listings.emplace_back();
    listing.run = run;
    NDCAO_ASSIGN(listing.stages, StagesOf(server, run));
    NDCAO_ASSIGN(const auto snapshot, server.GetManifest(run, "snapshot"));
    if (snapshot) listing.Note(*snapshot);
    for (const Heartbeat& beat : alive) {
      if (beat.run != run) continue;
      listing.workers.push_back(beat.writer);
      listing.Note(beat.text);
    }
  }
  return listings;
}

Result<int> Runs(const Flags& flags) {
  if (!flags.location.on_server()) {
    return Invalid(fmt::format("--journal {}: expected nats://HOST:PORT", flags.location.journal));
  }
  NDCAO_ASSIGN(const auto server, ConnectTo(flags.location));
  NDCAO_ASSIGN(const auto listings, ListRuns(*server));
  if (flags.json) {
    Json json = Json::array();
    for (const Listing& listing : listings) json.push_back(listing.ToJson());
    fmt::print("{}\n", Json{{"runs", json}}.dump());
    return kExitDone;
  }
  if (listings.empty()) fmt::print("no runs\n");
  for (const Listing& l : listings) {
    fmt::print("{:<24} {:5.1f} %  {} forwards  {}/s  {} live{}\n", l.run,
               100 * std::min(1.0, l.fraction), FormatCount(l.image_forwards),
               FormatCount(l.images_per_second), l.workers.size(),
               l.stages > 0 ? fmt::format(" of {} stages", l.stages) : "");
    for (const std::string& worker : l.workers) fmt::print("    {}\n", worker);
    for (const std::string& name : l.excluded) fmt::print("    {}: excluded by audit\n", name);
  }
  return kExitDone;
}

}  // namespace

void AddRuns(CLI::App& app, Action& action) {
  CLI::App* verb = app.add_subcommand(
      "runs", "List the runs on a server: how far they are, and who is working on them.");
  auto flags = std::make_shared<Flags>();
  AddJournalOptions(*verb, flags->location, "The server: nats://HOST:PORT");
  verb->get_option("--journal")->required();
  verb->add_flag("--json", flags->json, "End standard output with one JSON object");
  SetAction(*verb, action, [flags] { return Runs(*flags); });
}

}  // namespace ndcao
