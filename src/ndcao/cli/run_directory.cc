#include "ndcao/cli/run_directory.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>
#include <thread>

#include "ndcao/activation/activation_replica.h"
#include "ndcao/base/hash.h"
#include "ndcao/base/log.h"
#include "ndcao/cli/files.h"
#include "ndcao/cli/run_command.h"

namespace ndcao {
namespace {

namespace fs = std::filesystem;

constexpr char kModelCopy[] = "model_initial.pt";
/// What a run is read from; the last two are folders.
constexpr std::array<std::string_view, 6> kFoundations = {"spec.toml", "layout.json", "initial.bin",
                                                          kModelCopy,  "journal",     "snapshots"};

// A journal directory without a segment was left by a process that died before record 0.
bool HasRecords(const std::string& journal) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(journal, error)) {
    if (entry.path().extension() == ".log" && entry.file_size() > 0) return true;
  }
  return false;
}

// A run that is just being begun is held exclusively for a moment.
Result<RunLock> WaitForRun(const std::string& path) {
  constexpr int kAttempts = 50;
  for (int attempt = 1;; ++attempt) {
    Result<RunLock> lock = RunLock::AcquireShared(path);
    const bool held = !lock.ok() && lock.error().code() == ErrorCode::kConflict;
    if (!held || attempt == kAttempts) return lock;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

Status CheckVacant(const std::string& path) {
  if (!HasRecords(path + "/journal")) return Ok();
  return Invalid(fmt::format("--out {}: a run is there already; 'ndcao resume {}' goes on with it",
                             path, path));
}

}  // namespace

Status CheckOutput(const std::string& flag, const std::string& path) {
  if (path.empty()) return Ok();
  std::error_code error;
  if (fs::is_directory(path, error)) {
    return Invalid(
        fmt::format("{} {}: it is a directory; the name of a file is wanted", flag, path));
  }
  const fs::path parent = fs::absolute(path, error).parent_path();
  if (!fs::is_directory(parent, error)) {
    return Invalid(fmt::format("{} {}: there is no directory '{}'", flag, path, parent.string()));
  }
  fs::path place = fs::weakly_canonical(path, error);
  const auto founds = [](const fs::path& one) {
    return std::ranges::find(kFoundations, one.filename().string()) != kFoundations.end();
  };
  if (founds(place.parent_path())) place = place.parent_path();
  const fs::path run = place.parent_path();
  if (!founds(place) || !fs::exists(run / "spec.toml", error)) return Ok();
  return Invalid(fmt::format("{} {}: the run in '{}' is read from that file; write to another one",
                             flag, path, run.string()));
}

Result<RunDirectory> RunDirectory::Create(const std::string& path, const RunSpec& spec,
                                          const Layout& layout, const ParameterVector& initial,
                                          const FileJournalOptions& options) {
  NDCAO_TRY(CheckVacant(path));
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return Invalid(fmt::format("--out {}: {}", path, error.message()));
  NDCAO_ASSIGN(RunLock lock, RunLock::AcquireExclusive(path));
  NDCAO_TRY(CheckVacant(path));  // another may have been faster
  const std::string text = FormatRunSpec(spec);
  const Status written = WriteText(path + "/spec.toml", text);
  if (!written.ok()) return Invalid(fmt::format("--out {}: {}", path, written.error().message()));
  if (IsTorchScript(spec.model)) {
    NDCAO_ASSIGN(const std::string bytes, ReadText(spec.model));
    NDCAO_TRY(WriteText(path + "/" + kModelCopy, bytes));
  }
  NDCAO_TRY(WriteText(path + "/layout.json", FormatLayout(layout)));
  NDCAO_TRY(WriteParameters(path + "/initial.bin", initial));
  NDCAO_ASSIGN(auto journal, FileJournal::Open(path, options));
  NDCAO_TRY(journal->Append(SpecRecord{text, initial.size(), DigestHex(initial)}));
  NDCAO_TRY(lock.Share());
  RunDirectory run(path, std::move(lock), std::move(journal));
  run.spec_ = spec;
  run.initial_ = initial;
  return run;
}

Result<RunDirectory> RunDirectory::Open(const std::string& path,
                                        const FileJournalOptions& options) {
  std::error_code error;
  if (!fs::exists(path + "/journal", error)) {
    return Invalid(fmt::format("'{}' is no run directory: {}", path,
                               error ? error.message() : "there is no journal in it"));
  }
  FileJournalOptions existing = options;
  if (existing.mode == OpenMode::kCreate) existing.mode = OpenMode::kExisting;
  NDCAO_ASSIGN(RunLock lock, WaitForRun(path));
  NDCAO_ASSIGN(auto journal, FileJournal::Open(path, existing));
  RunDirectory run(path, std::move(lock), std::move(journal));
  // Whoever appends meets damage; to whoever reads it would look like the end.
  if (existing.mode == OpenMode::kReadOnly) NDCAO_TRY(run.TornTail());
  NDCAO_ASSIGN(const SpecRecord record,
               ReadSpecRecord(*run.journal_, fmt::format("run directory '{}'", path),
                              std::chrono::milliseconds(0)));
  Result<RunSpec> spec = ReadRunSpec(record.spec);
  if (!spec.ok()) return spec.error().Context(fmt::format("run directory '{}'", path));
  run.spec_ = std::move(spec).value();
  NDCAO_ASSIGN(run.initial_, ReadParameters(run.File("initial.bin")));
  if (DigestHex(run.initial_) != record.initial_digest) {
    return Corrupt(
        fmt::format("'{}': the initial parameters have the digest {}, but the journal says {}",
                    run.File("initial.bin"), DigestHex(run.initial_), record.initial_digest));
  }
  return run;
}

ProblemSources RunDirectory::Sources(const std::string& data_dir, double exec_timeout) const {
  return {data_dir, IsTorchScript(spec_.model) ? File(kModelCopy) : "", exec_timeout,
          initial_.size()};
}

std::optional<Replica> RunDirectory::Restore(const Layout& layout, Offset until) {
  const auto spec_hash = journal_->SpecHash();
  if (!spec_hash.ok()) return std::nullopt;
  SnapshotStore store(path_, spec_hash.value());
  for (auto newest = store.ReadNewest(until); newest;
       newest = store.ReadNewest(newest->offset - 1)) {
    const auto chain = journal_->ChainAt(newest->offset);
    Result<Replica> replica = Replica::Restore(spec_, layout, newest->bytes);
    if (replica.ok() && chain.ok() && chain.value() == replica.value().chain()) {
      return std::move(replica).value();
    }
    spdlog::warn("the snapshot at record {} does not fit the journal and is passed over",
                 newest->offset);
    if (newest->offset == 0) break;
  }
  return std::nullopt;
}

Result<Layout> RunDirectory::ReadLayout() const {
  NDCAO_ASSIGN(const std::string text, ReadText(File("layout.json")));
  return ParseLayout(text, fmt::format("'{}'", File("layout.json")), initial_.size());
}

std::string RunDirectory::HowToGoOn(bool helper) const {
  return helper ? "ndcao worker --journal " + QuotedForShell("file:" + path_)
                : "ndcao resume " + QuotedForShell(path_);
}

Status RunDirectory::CheckChain(const Replica& replica) {
  NDCAO_ASSIGN(const std::uint64_t chain, journal_->ChainAt(replica.next_offset()));
  if (chain == replica.chain()) return Ok();
  return Corrupt(fmt::format("the hash chain of the journal ends in {}, that of its records in {}",
                             Hex(chain), Hex(replica.chain())));
}

Result<ParameterVector> RunDirectory::Parameters(const Layout& layout) {
  if (spec_.probe == ProbeTarget::kWeights) return RunHome::Parameters(layout);
  const auto newest = NewestSnapshot();
  if (!newest) {
    return Failed(fmt::format(
        "run '{}' has kept no state of its parameters, which no journal holds where activations "
        "are probed; 'ndcao resume {}' trains it",
        path_, path_));
  }
  NDCAO_ASSIGN(auto state, ActivationReplica::Read(newest->bytes));
  return std::move(state.first);
}

Result<RunLock> RunDirectory::TakeTraining() {
  const std::string held = path_ + "/snapshots";
  std::error_code error;
  fs::create_directories(held, error);
  Result<RunLock> lock = RunLock::AcquireExclusive(held);
  if (lock.ok() || lock.error().code() != ErrorCode::kConflict) return lock;
  return Error(ErrorCode::kConflict,
               fmt::format("run '{}': another process trains it, and a run that probes activations "
                           "is trained by one process",
                           path_));
}

std::optional<Snapshot> RunDirectory::NewestSnapshot() const {
  const auto spec_hash = journal_->SpecHash();
  if (!spec_hash.ok()) return std::nullopt;
  return SnapshotStore(path_, spec_hash.value()).ReadNewest(~Offset{0});
}

Status RunDirectory::KeepState(std::uint64_t step, std::span<const std::byte> state) {
  NDCAO_ASSIGN(const auto spec_hash, journal_->SpecHash());
  return SnapshotStore(path_, spec_hash).Write(step, 0, state);
}

void RunDirectory::SaveSnapshot(const Replica& replica, bool) {
  const auto spec_hash = journal_->SpecHash();
  if (!spec_hash.ok()) return;
  SnapshotStore store(path_, spec_hash.value());
  const Status saved = store.Write(replica.next_offset(), replica.chain(), replica.Snapshot());
  if (!saved.ok()) spdlog::warn("no snapshot: {}", saved.error().message());
}

std::string DefaultRunDirectory(const RunSpec& spec) {
  std::string name = (spec.model.empty() ? spec.objective : spec.model + "-" + spec.data);
  constexpr std::size_t kLongestName = 200;  // file systems allow 255
  const std::string seed = fmt::format("-seed{}", spec.seed);
  name.resize(std::min(name.size(), kLongestName - seed.size()));
  name += seed;
  for (char& c : name) {
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '-' && c != '.') c = '_';
  }
  std::string path = "runs/" + name;
  std::error_code ignored;
  for (int i = 2; fs::exists(path, ignored); ++i) path = fmt::format("runs/{}.{}", name, i);
  return path;
}

}  // namespace ndcao
