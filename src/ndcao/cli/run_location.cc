#include "ndcao/cli/run_location.h"

#include <fmt/format.h>
#include <unistd.h>

#include "ndcao/cli/flag_values.h"
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

/// Flags that say how a server is reached, where they were given, with their values. Passwords are
/// no flags.
std::vector<std::pair<std::string, std::string>> GivenServerFlags(const RunLocation& location) {
  const RunLocation usual;
  std::vector<std::pair<std::string, std::string>> given;
  const auto add = [&given](const char* flag, const auto& value, const auto& without) {
    if (value != without) given.emplace_back(flag, fmt::format("{}", value));
  };
  const NatsOptions& nats = location.nats;
  const NatsOptions& other = usual.nats;
  add("--worker-name", nats.writer, other.writer);
  add("--batch-ms", location.batch_ms, usual.batch_ms);
  add("--in-flight", nats.in_flight, other.in_flight);
  add("--patience", location.patience, usual.patience);
  add("--replicas", nats.replicas, other.replicas);
  add("--context", location.context, usual.context);
  add("--creds", nats.credentials, other.credentials);
  add("--nkey", nats.nkey, other.nkey);
  add("--tls-ca", nats.ca, other.ca);
  add("--tls-cert", nats.certificate, other.certificate);
  add("--tls-key", nats.key, other.key);
  add("--inbox-prefix", nats.inbox_prefix, other.inbox_prefix);
  return given;
}

}  // namespace

void AddJournalOptions(CLI::App& verb, RunLocation& location, const std::string& help) {
  verb.add_option("--journal", location.journal, help);
  NatsOptions& nats = location.nats;
  const auto add = [&verb](const char* flag, auto& value, const char* text) {
    return verb.add_option(flag, value, text)->group("On a NATS server");
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
  for (const auto& [flag, value] : GivenServerFlags(location)) {
    text += fmt::format(" {} {}", flag, QuotedForShell(value));
  }
  return text;
}

Status CheckServerFlags(const RunLocation& location) {
  if (location.on_server()) return Ok();
  for (const auto& [flag, value] : GivenServerFlags(location)) {
    NDCAO_TRY(
        Belongs(true, fmt::format("{} {}", flag, value), false, "--journal nats://HOST:PORT"));
  }
  return Ok();
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
