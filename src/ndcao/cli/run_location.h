// Where a run is, as the command line says it: a run directory, or --journal URI and --run NAME.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "ndcao/cli/run_home.h"
#include "ndcao/journal/file/file_journal_options.h"
#include "ndcao/journal/nats/run_server.h"

namespace ndcao {

struct RunLocation {
  std::string directory;
  std::string journal;  ///< file:DIR, mem:, nats://…, tls://…
  std::string run;
  std::string context;  ///< Of the nats program.
  double batch_ms = 0;
  double patience = 60;
  NatsOptions nats;  ///< Its writer is empty until it is given: HOST-PID.

  /// The flags that say how the server is reached, of the verb that this is a part of. Passwords
  /// are no flags.
  std::vector<const CLI::Option*> server_options;

  RunLocation() { nats.writer.clear(); }

  bool on_server() const { return journal.starts_with("nats://") || journal.starts_with("tls://"); }
};

/// --journal, and how its server is reached.
void AddJournalOptions(CLI::App& verb, RunLocation& location, const std::string& help);
/// The same, --run, and the run directory as the verb's argument.
void AddRunLocation(CLI::App& verb, RunLocation& location);

/// The flags by which the server is reached, for a command that goes on with the run.
std::string ServerFlags(const RunLocation& location);
/// kInvalid if one of them is given for a run that is on no server.
Status CheckServerFlags(const RunLocation& location);

/// Connects to the server of --journal, as the flags, the context and the environment say.
Result<std::unique_ptr<RunServer>> ConnectTo(const RunLocation& location);

/// Opens a run that exists. `from_start`: it will be folded from record 0.
Result<std::unique_ptr<RunHome>> OpenRun(const RunLocation& location,
                                         const FileJournalOptions& options, bool from_start);

}  // namespace ndcao
