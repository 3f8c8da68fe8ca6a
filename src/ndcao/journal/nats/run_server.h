// Runs on a NATS server with JetStream (docs/formats/nats.md). Built without libnats, only
// ConnectNats exists, and it says so.
//
//   NDCAO_ASSIGN(auto server, ConnectNats(options));
//   NDCAO_ASSIGN(auto journal, server->OpenJournal("demo", {}));
//   NDCAO_ASSIGN(Offset offset, journal->Append(record));
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ndcao/journal/channel.h"
#include "ndcao/journal/journal.h"
#include "ndcao/journal/nats/nats_options.h"
#include "ndcao/journal/nats/record_filter.h"

namespace ndcao {

/// A run's journal in a stream. Offsets count the records that RecordFilter accepts.
/// Append returns once the server has acknowledged the record and this process has read it back.
/// Server restarts and elections are waited for, up to NatsOptions::patience.
class NatsJournal : public Journal {
 public:
  /// Number of records that the server has by now.
  virtual Result<Offset> End() = 0;
  /// Hash64 of record 0; 0 while there is none.
  virtual std::uint64_t spec_hash() const = 0;
  /// The name that record 0 came from; empty while there is none.
  virtual std::string creator() const = 0;
  /// What OpenJournal needs to begin at or shortly before `offset`; nothing if it is too far back.
  virtual std::optional<std::vector<std::byte>> CheckpointBefore(Offset offset) const = 0;
  /// kCorrupt if the hash chain of the records before `offset` is another, or if there are fewer:
  /// a state that was folded from them does not belong to this journal. `offset` is not before the
  /// checkpoint at which this was opened.
  virtual Status CheckChain(Offset offset, std::uint64_t chain) = 0;
  /// The server lost records that had been read here (it kept less than it acknowledged): what was
  /// folded from them is void, and this object has failed for good.
  virtual bool history_changed() const = 0;
  /// What the filter dropped so far, for people: "3 damaged, 1 repeated"; empty if nothing.
  virtual std::string DescribeDrops() const = 0;
};

/// A live process of a run.
struct Heartbeat {
  std::string run;
  std::string writer;
  std::string text;  ///< As given to Beat.
};

/// Something of a run that one process holds, as long as it renews it.
struct Claim {
  std::string text;            ///< As given to PutClaim.
  std::uint64_t revision = 0;  ///< Grows with every PutClaim.
};

class RunServer {
 public:
  virtual ~RunServer() = default;

  /// As people may read it, without a password.
  virtual std::string url() const = 0;
  virtual const NatsOptions& options() const = 0;
  /// Makes the buckets and the run's streams where they are missing.
  virtual Status PrepareRun(const std::string& run) = 0;

  /// A value of the bucket of runs, if there is one.
  virtual Result<std::optional<std::string>> Get(const std::string& key) = 0;
  /// Sets a value that does not exist yet. False: somebody else was first.
  virtual Result<bool> Create(const std::string& key, const std::string& value) = 0;
  /// Names of the runs, sorted; and who is alive now.
  virtual Result<std::vector<std::string>> Runs() = 0;
  virtual Result<std::vector<Heartbeat>> Alive() = 0;

  /// Keeps `bytes` under a name of the run, in chunks; `about` is a JSON object for people and
  /// comes back from GetManifest.
  virtual Status PutBlob(const std::string& run, const std::string& name,
                         std::span<const std::byte> bytes, const std::string& about) = 0;
  /// The newest version (`age` 0) or the one before it (1). Nothing if there is none, or if it is
  /// incomplete or damaged (with a warning).
  virtual Result<std::optional<std::vector<std::byte>>> GetBlob(const std::string& run,
                                                                const std::string& name,
                                                                int age) = 0;
  virtual Result<std::optional<std::string>> GetManifest(const std::string& run,
                                                         const std::string& name) = 0;
  /// True for one process at a time; lasts some seconds. kFailed if the server does not let us ask.
  virtual Result<bool> TakeLease(const std::string& run) = 0;

  /// Says that this process works on the run, for some seconds. Nobody waits for an answer.
  virtual void Beat(const std::string& run, const std::string& text) = 0;
  /// Takes it back.
  virtual void Leave(const std::string& run) = 0;

  /// A claim by its name, if somebody holds it. It is gone some seconds after its last renewal.
  virtual Result<std::optional<Claim>> GetClaim(const std::string& run,
                                                const std::string& name) = 0;
  /// Takes or renews a claim whose revision is still `revision` (0: nobody holds it). Returns its
  /// new revision; nothing if somebody else was first.
  virtual Result<std::optional<std::uint64_t>> PutClaim(const std::string& run,
                                                        const std::string& name,
                                                        const std::string& text,
                                                        std::uint64_t revision) = 0;
  virtual void DropClaim(const std::string& run, const std::string& name) = 0;

  /// One stage's end of the messages between a run's stages. Lives no longer than this.
  virtual Result<std::unique_ptr<Channel>> OpenChannel(const std::string& run,
                                                       std::uint32_t stage) = 0;

  /// Opens the run's journal at a checkpoint (CheckpointBefore), or at record 0 if empty.
  /// kCorrupt if the checkpoint does not fit what the server has; kInvalid without such a run.
  virtual Result<std::unique_ptr<NatsJournal>> OpenJournal(
      const std::string& run, std::span<const std::byte> checkpoint) = 0;
};

/// kInvalid, with what to do, if there is no server, it refuses us, or has no JetStream.
Result<std::unique_ptr<RunServer>> ConnectNats(const NatsOptions& options);

}  // namespace ndcao
