#include "ndcao/replica/run_spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <regex>
#include <sstream>

namespace ndcao {

std::uint64_t RunSpec::group_cost() const {
  const std::uint64_t centre = shape.centre ? 1 : 0;
  if (batch == 0) return shape.evaluations + centre;
  if (screening > 0) return std::uint64_t{batch} * (shape.evaluations + screening);
  return std::uint64_t{batch} * (shape.evaluations + centre);
}

std::uint32_t RunSpec::gathered() const {
  return mode == RunMode::kAsync ? std::max(shape.slots, clock.greatest) : shape.slots;
}

bool RunSpec::Uses(std::string_view optimizer) const {
  return options.optimizer == optimizer ||
         std::any_of(overrides.begin(), overrides.end(), [optimizer](const BlockOverride& o) {
           return o.options.optimizer == optimizer;
         });
}

Result<bool> BlockOverride::Matches(const std::string& block) const {
  try {
    return std::regex_match(block, std::regex(pattern));
  } catch (const std::regex_error& error) {
    return Invalid(
        fmt::format("block pattern '{}' is no regular expression: {}", pattern, error.what()));
  }
}

Result<BlockOptions> RunSpec::OptionsFor(const std::string& block) const {
  for (const BlockOverride& candidate : overrides) {
    NDCAO_ASSIGN(const bool matches, candidate.Matches(block));
    if (matches) return candidate.options;
  }
  return options;
}

// An optimizer that would never hear of enough losses to move is an error, not a silence.
Status RunSpec::CheckShape(const BlockOptions& block) const {
  if (block.frozen || block.optimizer != "noise-budget") return Ok();
  if (shape.centre && shape.evaluations >= 4) return Ok();
  return Invalid(fmt::format(
      "noise-budget needs groups of 4 or more evaluations and the loss at the centre, but those of "
      "this run have {}{} (--evaluations)",
      shape.evaluations, shape.centre ? "" : " and no centre"));
}

Status RunSpec::Validate() const {
  NDCAO_TRY(options.Validate());
  for (const BlockOverride& o : overrides) {
    const Status status = o.options.Validate();
    if (!status.ok()) return status.error().Context(fmt::format("blocks '{}'", o.pattern));
  }
  if (shape.evaluations == 0 && !shape.centre) {
    return Invalid("a group has no evaluations; allowed: 1 or more");
  }
  if (shape.evaluations > 4096) {
    return Invalid(
        fmt::format("--evaluations {}: in a group; allowed: at most 4096", shape.evaluations));
  }
  if (shape.slots < 1 || shape.slots > 1024) {
    return Invalid(fmt::format("--slots {}: groups in a round; allowed: 1 to 1024", shape.slots));
  }
  NDCAO_TRY(CheckPool());
  NDCAO_TRY(ValidateClock());
  NDCAO_TRY(ValidateAudit());
  if (probe == ProbeTarget::kActivations) return ValidateActivations();
  const std::uint64_t least = group_cost() * (mode == RunMode::kSync ? shape.slots : 1);
  if (budget < least) {
    return Invalid(fmt::format(
        "a budget of {} image-forwards is less than one {}, which costs {}; allowed: {} or more",
        budget, mode == RunMode::kSync ? "round of groups" : "group", least, least));
  }
  NDCAO_TRY(CheckShape(options));
  for (const BlockOverride& o : overrides) NDCAO_TRY(CheckShape(o.options));
  return Ok();
}

// A group's examples have to fit into the memory, and its forward passes into a record.
Status RunSpec::CheckPool() const {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 24;
  const std::uint64_t pool = std::uint64_t{batch} * std::max(1u, screening);
  if (pool > kMost) {
    return Invalid(
        fmt::format("--batch {} with --screening {}: {} examples in a group; allowed: at most {}",
                    batch, screening, pool, kMost));
  }
  if (group_cost() > std::numeric_limits<std::uint32_t>::max()) {
    return Invalid(fmt::format(
        "--batch {} with {} evaluations: {} image-forwards in a group; allowed: at most {}", batch,
        shape.evaluations, group_cost(), std::numeric_limits<std::uint32_t>::max()));
  }
  return Ok();
}

Status RunSpec::ValidateClock() const {
  if (clock.least < 1 || clock.greatest < clock.least || clock.greatest > 1000) {
    return Invalid(fmt::format("--async-periods {}..{}; allowed: A..B with 1 <= A <= B <= 1000",
                               clock.least, clock.greatest));
  }
  std::uint64_t begin = 0;
  for (const ClockStretch& stretch : clock.stretches) {
    if (stretch.end <= begin || stretch.period < 1 || stretch.period > 1000) {
      return Invalid(
          fmt::format("a stretch of parameters {} to {} with a period of {}; allowed: stretches "
                      "that follow one another, with periods from 1 to 1000",
                      begin, stretch.end, stretch.period));
    }
    begin = stretch.end;
  }
  if (staleness_limit < 1 || staleness_limit > 4096) {
    return Invalid(fmt::format("--staleness-limit {}; allowed: 1 to 4096 groups", staleness_limit));
  }
  return Ok();
}

// An auditor compares what losses look like beside each other, and measures where the group's
// blocks stood: in an asynchronous run it has kept theta for that, but not the optimizers.
Status RunSpec::ValidateAudit() const {
  if (!audit) return Ok();
  constexpr std::uint32_t kLeastEvaluations = 8;
  if (!(*audit > 0 && *audit <= 1)) {
    return Invalid(fmt::format("--audit {}; allowed: 0 to 1, the share of groups", *audit));
  }
  if (probe == ProbeTarget::kActivations) {
    return Invalid(fmt::format(
        "--audit {}: a run that probes activations is trained by one process, which nobody audits",
        *audit));
  }
  if (shape.evaluations < kLeastEvaluations) {
    return Invalid(
        fmt::format("--audit {}: needs groups of {} or more evaluations to tell losses "
                    "from chance; this run's have {}",
                    *audit, kLeastEvaluations, shape.evaluations));
  }
  if (mode == RunMode::kSync || !(Uses("cao") || Uses("pgpe"))) return Ok();
  return Invalid(
      fmt::format("--audit {} with --mode async: not with cao or pgpe, whose perturbations follow "
                  "from all they have learned",
                  *audit));
}

Status RunSpec::ValidateActivations() const {
  const auto within = [](double x, double least, double most) { return x >= least && x <= most; };
  if (batch < 2) {
    return Invalid(fmt::format(
        "--batch {}: probing activations needs 2 or more examples, whose losses are told apart",
        batch));
  }
  if (shape.slots > batch) {
    return Invalid(fmt::format("{} slots in a batch of {}; allowed: at most one for each example",
                               shape.slots, batch));
  }
  if (!within(activation.rate, 1e-7, 1)) {
    return Invalid(fmt::format("--rate {}; allowed for activations: 1e-7 to 1", activation.rate));
  }
  if (!within(activation.sigma, 1e-5, 1)) {
    return Invalid(fmt::format("--sigma {}; allowed for activations: 1e-5 to 1, relative to them",
                               activation.sigma));
  }
  if (!within(activation.probes, 1, 60)) {
    return Invalid(fmt::format("{} probes of a site; allowed: 1 to 60", activation.probes));
  }
  return Ok();
}

namespace {

std::string FirstLineThatDiffers(const RunSpec& theirs, const RunSpec& mine) {
  std::istringstream their_lines(FormatRunSpec(theirs)), my_lines(FormatRunSpec(mine));
  std::string there, here;
  do {
    if (!std::getline(their_lines, there)) there.clear();
    if (!std::getline(my_lines, here)) here.clear();
  } while (there == here && (their_lines || my_lines));
  return fmt::format("the run has '{}', this worker has '{}'", there, here);
}

}  // namespace

std::string DescribeDifference(const RunSpec& theirs, const RunSpec& mine) {
  const auto differs = [](const char* what, const auto& a, const auto& b) {
    return fmt::format("{} differs: the run has '{}', this worker has '{}'", what, a, b);
  };
  if (theirs.model != mine.model) return differs("the model", theirs.model, mine.model);
  if (theirs.model_hash != mine.model_hash) {
    return differs("the model file's hash", theirs.model_hash, mine.model_hash);
  }
  if (theirs.data != mine.data) return differs("the data set", theirs.data, mine.data);
  if (theirs.data_hash != mine.data_hash) {
    return differs("the data's hash", theirs.data_hash, mine.data_hash);
  }
  if (theirs.objective != mine.objective) {
    return differs("the objective", theirs.objective, mine.objective);
  }
  if (theirs.precision != mine.precision) {
    return differs("the precision", theirs.precision, mine.precision);
  }
  if (theirs.seed != mine.seed) return differs("the seed", theirs.seed, mine.seed);
  if (theirs.budget != mine.budget) return differs("the budget", theirs.budget, mine.budget);
  if (theirs.blocks != mine.blocks) return differs("the partition", theirs.blocks, mine.blocks);
  if (theirs.audit != mine.audit) {
    return differs("--audit", theirs.audit.value_or(0), mine.audit.value_or(0));
  }
  if (theirs.batch != mine.batch) return differs("the batch", theirs.batch, mine.batch);
  if (theirs.options.optimizer != mine.options.optimizer) {
    return differs("the optimizer", theirs.options.optimizer, mine.options.optimizer);
  }
  return theirs == mine ? "" : FirstLineThatDiffers(theirs, mine);
}

}  // namespace ndcao
