#include "ndcao/cli/run_location.h"

#include <fmt/format.h>
#include <unistd.h>

#include "ndcao/cli/interrupt.h"
#include "ndcao/cli/nats_context.h"
#include "ndcao/cli/nats_run.h"
#include "ndcao/cli/number_checks.h"
#include "ndcao/cli/run_command.h"
#include "ndcao/cli/run_directory.h"
#include "ndcao/journal/nats/names.h"

namespace ndcao {
namespace {

constexpr std::string_view kFile = "file:";

std::string DefaultWriter() {
  char host[256] = "";
  gethostname(host, sizeof(host) - 1);
  return AsName(fmt::format("{}-{}", host, getpid()));
}

}  // namespace

void AddJournalOptions(CLI::App& verb, RunLocation& location, const std::string& help) {
  verb.add_option("--journal", location.journal, help);
  NatsOptions& nats = location.nats;
  const auto add = [&](const char* flag, auto& value, const char* text) {
    CLI::Option* option = verb.add_option(flag, value, text)->group("On a NATS server");
    location.server_options.push_back(option);
    return option;
  };
  add("--worker-name", nats.writer,
      "Who publishes: the last token of this process's subjects (default: HOST-PID)");
  add("--batch-ms", location.batch_ms,
      "How long a record may wait for others to share its message with")
      ->check(CLI::Range(0.0, 10000.0));
  add("--in-flight", nats.in_flight, "Messages that may be under way before records wait");
  add("--patience", location.patience, "Seconds for which a server that is away is asked again")
      ->check(AboveZero());
  add("--replicas", nats.replicas, "Copies that a cluster keeps of a run that is begun: 1, 3 or 5");
  add("--context", location.context, "Take what follows from this context of the nats program");
  add("--creds", nats.credentials, "A credentials file (.creds)");
  add("--nkey", nats.nkey, "A file with an nkey seed, and its public key in a second line");
  add("--tls-ca", nats.ca, "PEM file: who signs the server's certificate");
  add("--tls-cert", nats.certificate, "PEM file: our own certificate");
  add("--tls-key", nats.key, "PEM file: its key");
  add("--inbox-prefix", nats.inbox_prefix, "Where the server's answers come to (default: _INBOX)");
}

void AddRunLocation(CLI::App& verb, RunLocation& location) {
  verb.add_option("run", location.directory, "The run directory");
  AddJournalOptions(verb, location,
                    "Instead of a directory: file:DIR, or nats://HOST:PORT with --run NAME");
  verb.add_option("--run", location.run, "The run's name on the server");
}

std::string ServerFlags(const RunLocation& location) {
  std::string text;
  for (const CLI::Option* option : location.server_options) {
    if (option->count() == 0) continue;
    text += fmt::format(" {} {}", option->get_name(), QuotedForShell(option->results().back()));
  }
  return text;
}

Status CheckServerFlags(const RunLocation& location) {
  const std::string given = ServerFlags(location);
  if (given.empty() || location.on_server()) return Ok();
  return Invalid(given.substr(1) + ": it belongs to --journal nats://HOST:PORT");
}

Result<std::unique_ptr<RunServer>> ConnectTo(const RunLocation& location) {
  NatsOptions options = location.nats;
  options.url = location.journal;
  if (options.writer.empty()) options.writer = DefaultWriter();
  options.linger = std::chrono::milliseconds(static_cast<long>(location.batch_ms));
  options.patience = std::chrono::milliseconds(static_cast<long>(1000 * location.patience));
  options.cancelled = Interrupted;
  NDCAO_TRY(FillFromContext(location.context, options));
  CatchInterrupts();  // before the first wait
  return ConnectNats(options);
}

Result<std::unique_ptr<RunHome>> OpenRun(const RunLocation& location,
                                         const FileJournalOptions& options, bool from_start) {
  if (location.on_server()) {
    if (!location.directory.empty()) {
      return Invalid(fmt::format("'{}' and --journal {}: a run is in one place", location.directory,
                                 location.journal));
    }
    NDCAO_TRY(CheckName("--run", location.run));
    NDCAO_ASSIGN(auto server, ConnectTo(location));
    NDCAO_ASSIGN(auto run, NatsRun::Open(std::move(server), location.run, "runs/" + location.run,
                                         from_start));
    return std::unique_ptr<RunHome>(std::move(run));
  }
  NDCAO_TRY(CheckServerFlags(location));
  if (!location.run.empty()) {
    return Invalid(fmt::format("--run {}: only a run on a server has a name (--journal nats://…)",
                               location.run));
  }
  std::string directory = location.directory;
  if (!location.journal.empty()) {
    if (!directory.empty()) {
      return Invalid(
          fmt::format("'{}' and --journal {}: a run is in one place", directory, location.journal));
    }
    if (!location.journal.starts_with(kFile)) {
      return Invalid(fmt::format(
          "--journal {}: expected file:DIR, DIR being a run directory, or nats://HOST:PORT with "
          "--run NAME",
          location.journal));
    }
    directory = location.journal.substr(kFile.size());
  }
  if (directory.empty()) {
    return Invalid(
        "which run is missing: a run directory, or --journal nats://HOST:PORT --run NAME");
  }
  NDCAO_ASSIGN(RunDirectory run, RunDirectory::Open(directory, options));
  return std::unique_ptr<RunHome>(std::make_unique<RunDirectory>(std::move(run)));
}

}  // namespace ndcao
