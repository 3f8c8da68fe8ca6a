// ndcao report: the runs' page, as a file or served while they train.
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "ndcao/base/log.h"
#include "ndcao/cli/command.h"
#include "ndcao/cli/files.h"
#include "ndcao/cli/interrupt.h"
#include "ndcao/cli/run_directory.h"
#include "ndcao/cli/run_follower.h"
#include "ndcao/cli/train_run.h"
#include "ndcao/report/live_server.h"
#include "ndcao/report/page.h"

namespace ndcao {
namespace {

using Json = nlohmann::ordered_json;
using Runs = std::vector<std::unique_ptr<RunFollower>>;

struct Flags {
  std::vector<std::string> runs;
  std::string out;
  bool live = false;
  LiveAddress address;
  bool json = false;
};

Json DescribeAll(const Runs& runs) {
  Json all = Json::array();
  for (const auto& run : runs) all.push_back(RunJson(run->run()));
  return all;
}

Result<Runs> OpenRuns(const std::vector<std::string>& paths) {
  Runs runs;
  for (const std::string& path : paths) {
    NDCAO_ASSIGN(auto run, RunFollower::Open(path));
    NDCAO_TRY(run->CatchUp());
    runs.push_back(std::move(run));
  }
  return runs;
}

Result<int> WritePage(const Flags& flags, const Runs& runs) {
  NDCAO_TRY(CheckOutput("--out", flags.out));
  const Json described = DescribeAll(runs);
  const std::string out = flags.out.empty() ? flags.runs.front() + "/report.html" : flags.out;
  NDCAO_ASSIGN(const std::string page, RenderPage(described, PageKind::kFile));
  NDCAO_TRY(WriteText(out, page));
  if (flags.json) {
    fmt::print("{}\n", ScriptSafe({{"page", out}, {"bytes", page.size()}, {"runs", described}}));
  } else {
    fmt::print("{}\n", out);
  }
  return kExitDone;
}

Result<int> ServePage(const Flags& flags, Runs& runs) {
  NDCAO_ASSIGN(std::string page, RenderPage(DescribeAll(runs), PageKind::kLive));
  const auto data = [&runs] {
    for (const auto& run : runs) {
      const Status read = run->CatchUp();
      if (!read.ok()) spdlog::warn("{}: {}", run->run().name, read.error().message());
    }
    return ScriptSafe(DescribeAll(runs));
  };
  CatchInterrupts();
  NDCAO_ASSIGN(const auto server, LiveServer::Start(flags.address, std::move(page), data));
  fmt::print("http://{}:{}/   (Ctrl-C ends)\n", flags.address.host, server->port());
  std::fflush(stdout);
  while (!Interrupted()) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  return kExitDone;
}

Result<int> Report(const Flags& flags) {
  NDCAO_ASSIGN(Runs runs, OpenRuns(flags.runs));
  return flags.live ? ServePage(flags, runs) : WritePage(flags, runs);
}

}  // namespace

void AddReport(CLI::App& app, Action& action) {
  CLI::App* verb = app.add_subcommand(
      "report",
      "One self-contained page about runs: curves, blocks, staleness, workers, a comparison. Runs\n"
      "that differ in their seed alone are shown as a mean with a band.");
  auto flags = std::make_shared<Flags>();
  verb->add_option("runs", flags->runs, "Run directories; they may still be training")->required();
  verb->add_option("--out", flags->out, "The page (default: report.html in the first directory)");
  verb->add_flag("--live", flags->live, "Serve the page; it updates itself. Ctrl-C ends");
  verb->add_option("--host", flags->address.host,
                   "--live: the address to serve on; who can reach it can read the runs");
  verb->add_option("--port", flags->address.port, "--live: the port (0: any that is free)")
      ->check(CLI::Range(0, 65535));
  verb->add_flag("--json", flags->json, "End standard output with one JSON object: what it shows");
  SetAction(*verb, action, [flags] { return Report(*flags); });
}

}  // namespace ndcao
