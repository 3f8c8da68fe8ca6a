#include "ndcao/cli/shared_losses.h"

#include <fmt/format.h>

#include <chrono>
#include <sstream>
#include <string>
#include <variant>

#include "ndcao/cli/train_run.h"

namespace ndcao {
namespace {

constexpr std::size_t kRecordsAtOnce = 256;

// The first line in which two specs differ.
std::string FirstDifference(const RunSpec& theirs, const RunSpec& mine) {
  std::istringstream their_lines(FormatRunSpec(theirs)), my_lines(FormatRunSpec(mine));
  std::string there, here;
  do {
    if (!std::getline(their_lines, there)) there.clear();
    if (!std::getline(my_lines, here)) here.clear();
  } while (there == here && (their_lines || my_lines));
  return fmt::format("'{}' there, '{}' here", there, here);
}

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
    return Invalid("it differs in more than its split: " + FirstDifference(theirs, mine));
  }
  if (measured.initial() != setup.initial) return Invalid("it began with other parameters");
  return Ok();
}

}  // namespace

Result<RunDirectory> OpenSharedLosses(const std::string& directory, const RunSetup& setup) {
  FileJournalOptions options;
  options.mode = OpenMode::kReadOnly;
  NDCAO_ASSIGN(RunDirectory measured, RunDirectory::Open(directory, options));
  const Status shared = CheckShared(measured, setup);
  if (!shared.ok()) return shared.error().Context("--losses-of " + directory);
  return measured;
}

Status TakeLosses(RunDirectory& measured, RunDirectory& run) {
  for (Offset from = 1;;) {
    NDCAO_ASSIGN(const auto entries,
                 measured.journal().Read(from, kRecordsAtOnce, std::chrono::milliseconds(0)));
    if (entries.empty()) return Ok();
    for (Entry entry : entries) {
      // Record 0 differs, and with it the hash chain that a group's record names.
      if (auto* group = std::get_if<GroupRecord>(&entry.record)) {
        NDCAO_ASSIGN(group->base_chain, run.journal().ChainAt(group->base));
      } else if (auto* mark = std::get_if<MarkRecord>(&entry.record)) {
        if (mark->note.starts_with(kBudgetUsedUp)) mark->note.clear();
      }
      NDCAO_TRY(run.journal().Append(entry.record));
    }
    from += entries.size();
  }
}

}  // namespace ndcao
