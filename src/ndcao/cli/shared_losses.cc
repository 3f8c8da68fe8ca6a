#include "ndcao/cli/shared_losses.h"

#include <chrono>
#include <utility>
#include <variant>

#include "ndcao/cli/run_directory.h"
#include "ndcao/cli/train_run.h"

namespace ndcao {
namespace {

constexpr std::size_t kRecordsAtOnce = 256;

Status CheckShared(const RunDirectory& measured, const RunSetup& setup) {
  const RunSpec& theirs = measured.spec();
  if (theirs.probe != ProbeTarget::kWeights || theirs.mode != RunMode::kSync) {
    return Invalid(
        "losses are the same under any split in synchronous runs that probe weights, and this is "
        "none");
  }
  if (!theirs.overrides.empty()) {
    return Invalid("its blocks have options of their own, and another split cuts them");
  }
  if (theirs.options.optimizer == "cao") {
    return Invalid(
        "blocks of 'cao' perturb themselves in ways of their own, so losses depend on the split");
  }
  if (theirs.audit) return Invalid("who audits a run is drawn from its own journal");
  RunSpec mine = setup.spec;
  mine.blocks = theirs.blocks;
  mine.blocks_text = theirs.blocks_text;
  if (!(mine == theirs)) {
    return Invalid("it differs in more than its split: " + DescribeDifference(theirs, mine));
  }
  if (measured.initial() != setup.initial) return Invalid("it began with other parameters");
  return Ok();
}

Result<std::vector<Record>> ReadRecords(Journal& journal) {
  std::vector<Record> records;
  for (;;) {
    NDCAO_ASSIGN(auto entries,
                 journal.Read(1 + records.size(), kRecordsAtOnce, std::chrono::milliseconds(0)));
    if (entries.empty()) return records;
    for (Entry& entry : entries) records.push_back(std::move(entry.record));
  }
}

Result<std::vector<Record>> Read(const std::string& directory, const RunSetup& setup) {
  FileJournalOptions options;
  options.mode = OpenMode::kReadOnly;
  NDCAO_ASSIGN(RunDirectory measured, RunDirectory::Open(directory, options));
  NDCAO_TRY(CheckShared(measured, setup));
  NDCAO_ASSIGN(std::vector<Record> records, ReadRecords(measured.journal()));
  for (Record& record : records) {
    auto* mark = std::get_if<MarkRecord>(&record);
    if (mark != nullptr && mark->note.starts_with(kBudgetUsedUp)) mark->note.clear();
  }
  return records;
}

}  // namespace

Result<std::vector<Record>> ReadSharedLosses(const std::string& directory, const RunSetup& setup) {
  auto records = Read(directory, setup);
  if (!records.ok()) return records.error().Context("--losses-of " + directory);
  return records;
}

// Record 0 differs, and with it the hash chain that a group's record names.
Status AppendSharedLosses(std::vector<Record> records, FileJournal& journal) {
  for (Record& record : records) {
    if (auto* group = std::get_if<GroupRecord>(&record)) {
      NDCAO_ASSIGN(group->base_chain, journal.ChainAt(group->base));
    }
    NDCAO_TRY(journal.Append(record));
  }
  return Ok();
}

}  // namespace ndcao
