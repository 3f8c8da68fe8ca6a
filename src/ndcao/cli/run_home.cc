#include "ndcao/cli/run_home.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>

#include "ndcao/worker/team_executor.h"

namespace ndcao {

Result<Replica> RunHome::Fold(const Layout& layout, Offset until, bool from_start) {
  std::optional<Replica> restored;
  if (!from_start) restored = Restore(layout, until);
  if (!restored) {
    NDCAO_ASSIGN(Replica fresh, Replica::Create(spec_, layout, initial_));
    restored.emplace(std::move(fresh));
  }
  NDCAO_TRY(FoldInto(*restored, until));
  return std::move(*restored);
}

std::string RunHome::WorkerName() const {
  char host[256] = "";
  gethostname(host, sizeof(host) - 1);
  return fmt::format("{}:{}", host, getpid());
}

Result<ParameterVector> RunHome::Parameters(const Layout& layout) {
  NDCAO_ASSIGN(const Offset end, End());
  NDCAO_ASSIGN(const Replica replica, Fold(layout, end, false));
  return *replica.parameters();
}

Status RunHome::NeedsFold(const std::string& verb) const {
  if (spec_.probe == ProbeTarget::kWeights) return Ok();
  return Invalid(fmt::format(
      "{} '{}': the run probes activations, so its journal does not hold what its blocks learned "
      "from (their own inputs), and there is nothing to fold",
      verb, name()));
}

Status RunHome::FoldInto(Replica& replica, Offset until) {
  return FoldJournal(journal(), replica, until);
}

Status FoldJournal(Journal& journal, Replica& replica, Offset until) {
  TeamExecutor executor;
  const HelperThreads helpers(executor, std::max(1u, std::thread::hardware_concurrency()) - 1);
  while (replica.next_offset() < until) {
    constexpr Offset kReadAtOnce = 1024;
    const auto want = std::min(kReadAtOnce, until - replica.next_offset());
    NDCAO_ASSIGN(const auto entries,
                 journal.Read(replica.next_offset(), want, std::chrono::milliseconds(0)));
    if (entries.empty()) break;
    for (const Entry& entry : entries) NDCAO_TRY(replica.Apply(entry, executor));
  }
  replica.TakeDecisions();  // attested when they were taken
  return Ok();
}

Result<SpecRecord> ReadSpecRecord(Journal& journal, const std::string& where,
                                  std::chrono::milliseconds wait) {
  NDCAO_ASSIGN(const auto entries, journal.Read(0, 1, wait));
  const auto* record = entries.empty() ? nullptr : std::get_if<SpecRecord>(&entries.front().record);
  if (record == nullptr) {
    return Invalid(fmt::format("{}: its journal is empty, so there is no run", where));
  }
  return *record;
}

std::string FormatLayout(const Layout& layout) {
  nlohmann::ordered_json tensors = nlohmann::ordered_json::array();
  for (const Tensor& tensor : layout.tensors()) {
    tensors.push_back({{"name", tensor.name}, {"shape", tensor.shape}});
  }
  return tensors.dump(1) + "\n";
}

Result<Layout> ParseLayout(const std::string& text, const std::string& where,
                           std::uint64_t parameters) {
  Layout layout;
  try {
    for (const auto& tensor : nlohmann::json::parse(text)) {
      layout.Add(tensor.at("name"), tensor.at("shape"));
    }
  } catch (const nlohmann::json::exception& error) {
    return Corrupt(fmt::format("{}: {}", where, error.what()));
  }
  if (layout.size() != parameters) {
    return Corrupt(
        fmt::format("{}: {} parameters, but the run has {}", where, layout.size(), parameters));
  }
  return layout;
}

}  // namespace ndcao
