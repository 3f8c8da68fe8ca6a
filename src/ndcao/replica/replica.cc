#include "ndcao/replica/replica.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "ndcao/base/hash.h"

namespace ndcao {
namespace {

constexpr std::size_t kDigestsKept = 16;

bool Barren(const GroupRecord& group) {
  const auto finite = [](float loss) { return std::isfinite(loss); };
  return !finite(group.centre) && std::none_of(group.losses.begin(), group.losses.end(), finite);
}

// Brings an optimizer back to how it would begin at θ. Proposals that it has made stay valid.
void Forget(BlockOptimizer& optimizer, const BlockOptions& options, CohortContext context,
            std::span<const float> theta) {
  ByteWriter fresh;
  MakeOptimizer(options, std::move(context), theta)->Save(fresh);
  ByteReader in(fresh.bytes());
  optimizer.Load(in);
}

}  // namespace

void Trial::Materialize(std::uint32_t k, std::span<float> out) const {
  for (const auto& proposal : proposals) proposal->Perturb(k, *point, out);
}

void Trial::MaterializeNext(std::uint32_t k, std::span<float> out) const {
  for (const auto& proposal : proposals) {
    if (!proposal->Mirror(k, *point, out)) proposal->Perturb(k, *point, out);
  }
}

std::optional<float> Trial::step() const {
  float step = 0;
  for (const auto& proposal : proposals) {
    const std::optional<float> own = proposal->step();
    if (!own || (*own != 0 && step != 0 && *own != step)) return std::nullopt;
    step = std::max(step, *own);
  }
  return step;
}

Result<Replica> Replica::Create(const RunSpec& spec, const Layout& layout, ParameterVector initial,
                                const std::optional<Slice>& part) {
  NDCAO_ASSIGN(Partition partition,
               MakePartition(spec.blocks, spec.blocks_text, layout, spec.seed));
  Replica replica(spec, std::move(partition));
  const Slice held = part ? part->Packed() : Slice::Whole(layout.size());
  if (initial.size() != held.size()) {
    return Invalid(
        fmt::format("{} initial parameters, but {} are needed", initial.size(), held.size()));
  }
  replica.whole_ = !part;
  replica.theta_ = std::make_shared<ParameterVector>(std::move(initial));
  replica.budgets_ = {{0, spec.budget}};
  replica.slots_.resize(spec.shape.slots);
  if (spec.audit) replica.audits_.emplace(spec.seed, *spec.audit);
  NDCAO_TRY(replica.BuildCohorts(held, layout.size()));
  replica.positions_.push_back({});
  return replica;
}

Status Replica::BuildCohorts(const Slice& held, std::uint64_t parameters) {
  const auto& blocks = partition_.blocks();
  std::vector<std::uint64_t> keys;
  bool all_frozen = true;
  for (BlockId id = 0; id < blocks.size(); ++id) {
    NDCAO_ASSIGN(const BlockOptions options, spec_.OptionsFor(blocks[id].name));
    all_frozen = all_frozen && options.frozen;
    if (options.optimizer == "cao" && options.cao.coordinate && id >= spec_.shape.evaluations) {
      return Invalid(fmt::format(
          "cao, block by block: {} blocks need as many evaluations in a group, there are {}",
          blocks.size(), spec_.shape.evaluations));
    }
    Slice slice = Intersect(blocks[id].slice, held);
    if (slice.empty()) continue;
    if (options.optimizer == "cao" && slice.size() < blocks[id].slice.size()) {
      return Invalid(
          fmt::format("block '{}' does not lie in one part, and cao cannot learn with a piece of a "
                      "block; choose "
                      "other --blocks",
                      blocks[id].name));
    }
    block_slices_.push_back(std::move(slice));
    keys.push_back(blocks[id].slice.runs().front().global);
    auto cohort = std::find_if(cohorts_.begin(), cohorts_.end(), [&](const Cohort& c) {
      return c.options == options && options.optimizer != "cao";
    });
    if (cohort == cohorts_.end()) {
      cohorts_.push_back({options, {}, {}, nullptr});
      cohort = std::prev(cohorts_.end());
    }
    cohort->blocks.push_back(id);
    cohort->slices.push_back(block_slices_.size() - 1);
  }
  if (all_frozen) return Invalid("every block is frozen: there is nothing to train");
  parameters_ = parameters;
  for (Cohort& cohort : cohorts_) {
    cohort.optimizer = MakeOptimizer(cohort.options, ContextOf(cohort), *theta_);
  }
  if (spec_.mode == RunMode::kAsync) {
    clocks_.emplace(spec_.seed, spec_.clock, std::move(keys));
    if (!clocks_->trivial()) pending_.assign(theta_->size(), 0.0f);
  }
  return Ok();
}

CohortContext Replica::ContextOf(const Cohort& cohort) const {
  std::vector<const Slice*> slices;
  for (const std::size_t i : cohort.slices) slices.push_back(&block_slices_[i]);
  Slice merged = Merge(slices);
  const std::uint64_t key = merged.runs().front().global;
  CohortContext context{std::move(merged), spec_.seed,  key,
                        parameters_,       spec_.shape, cohort.blocks.front()};
  context.gathered = spec_.gathered();
  if (spec_.mode == RunMode::kAsync) context.wait = LongestWait(spec_.clock);
  return context;
}

std::span<float> Replica::MutableTheta() {
  if (theta_.use_count() > 1) theta_ = std::make_shared<ParameterVector>(*theta_);
  return *theta_;
}

Trial Replica::NewTrial(TrialId id, std::optional<Offset> base) const {
  Trial trial{id, next_offset_, chain_, theta_, {}};
  const Offset oldest = positions_.front().offset;
  const bool known = base && *base >= oldest && *base <= next_offset_;
  const double progress_then = known ? ProgressAt(positions_[*base - oldest]) : progress();
  std::shared_ptr<ParameterVector> placed;
  for (const Cohort& cohort : cohorts_) {
    trial.proposals.push_back(cohort.optimizer->Propose(id, progress_then));
    if (!trial.proposals.back()->places()) continue;
    if (!placed) placed = std::make_shared<ParameterVector>(*theta_);
    trial.proposals.back()->Place(*placed);
  }
  if (placed) trial.point = std::move(placed);
  return trial;
}

double Replica::horizon() const { return HorizonOf(budget()); }

double Replica::HorizonOf(std::uint64_t budget) const {
  const double groups = static_cast<double>(budget / spec_.group_cost());
  if (spec_.mode == RunMode::kAsync) return std::max(1.0, groups);
  const double slots = spec_.shape.slots;
  return std::max(1.0, std::floor(groups / slots)) * slots;
}

double Replica::progress() const { return ProgressAt(positions_.back()); }

double Replica::ProgressAt(const Position& position) const {
  const auto change = std::find_if(budgets_.rbegin(), budgets_.rend(), [&](const BudgetChange& b) {
    return b.from <= position.offset;
  });
  const double horizon = HorizonOf(change->image_forwards);
  return std::min(1.0, static_cast<double>(position.groups) / horizon);
}

bool Replica::done() const { return static_cast<double>(counters_.groups) >= horizon(); }

RoundView Replica::round() const {
  RoundView view{version_, {}};
  for (std::uint32_t slot = 0; slot < slots_.size(); ++slot) {
    if (!slots_[slot]) view.open_slots.push_back(slot);
  }
  return view;
}

Result<Outcome> Replica::Apply(const Entry& entry, Executor& executor) {
  NDCAO_CHECK(entry.offset == next_offset_);
  NDCAO_ASSIGN(const Outcome outcome, ApplyRecord(entry, executor));
  Advance(entry.hash);
  return outcome;
}

Result<Outcome> Replica::ApplyRecord(const Entry& entry, Executor& executor) {
  if (const auto* group = std::get_if<GroupRecord>(&entry.record)) {
    return ApplyGroup(*group, executor);
  }
  if (const auto* audit = std::get_if<AuditRecord>(&entry.record)) return ApplyAudit(*audit);
  if (const auto* digest = std::get_if<DigestRecord>(&entry.record)) {
    if (Excluded(digest->worker)) return Outcome::kExcluded;
    const Status status = CheckDigest(*digest);
    if (!status.ok()) return status.error().Context(fmt::format("record {}", entry.offset));
  } else if (const auto* budget = std::get_if<BudgetRecord>(&entry.record)) {
    budgets_.push_back({entry.offset + 1, budget->image_forwards});
  } else if (const auto* join = std::get_if<JoinRecord>(&entry.record)) {
    ++joins_;
    if (audits_) audits_->Join(join->name, counters_.groups);
  }
  return Outcome::kFolded;
}

// When somebody is excluded, the blocks forget what they have learned of the landscape, though not
// where they stand: lies among a run's first groups, which there is nothing to measure by, would
// stay in the statistics for ever. In the round under way his slots are open again.
Outcome Replica::ApplyAudit(const AuditRecord& audit) {
  if (Excluded(audit.worker)) return Outcome::kExcluded;
  if (!audits_) return Outcome::kUnwanted;
  const std::size_t excluded = audits_->excluded().size();
  if (!audits_->Take(audit, counters_.groups)) return Outcome::kUnwanted;
  if (audits_->excluded().size() == excluded) return Outcome::kFolded;
  for (auto& slot : slots_) {
    if (!slot || !Excluded(slot->first.worker)) continue;
    counters_.image_forwards_wasted += slot->first.examples;
    slot.reset();
  }
  for (Cohort& cohort : cohorts_) {
    Forget(*cohort.optimizer, cohort.options, ContextOf(cohort), *theta_);
  }
  return Outcome::kFolded;
}

void Replica::Advance(std::uint64_t record_hash) {
  ++next_offset_;
  chain_ = ChainHash(chain_, record_hash);
  positions_.push_back({next_offset_, chain_, counters_.groups, version_});
  if (positions_.size() > kPositions) positions_.pop_front();
}

std::optional<Replica::Position> Replica::FindPosition(Offset base, std::uint64_t chain) const {
  const Offset oldest = positions_.front().offset;
  if (base < oldest || base > next_offset_) return std::nullopt;
  const Position& position = positions_[base - oldest];
  if (position.chain != chain) return std::nullopt;
  return position;
}

Outcome Replica::ApplyGroup(const GroupRecord& group, Executor& executor) {
  const bool async = spec_.mode == RunMode::kAsync;
  Outcome outcome = Outcome::kForeign;
  const std::optional<Position> base = FindPosition(group.base, group.base_chain);
  const bool fits = group.losses.size() == spec_.shape.evaluations &&
                    group.trial.is_async() == async && group.worker < joins_;
  if (done()) {
    outcome = Outcome::kDuplicate;
  } else if (Excluded(group.worker)) {
    outcome = Outcome::kExcluded;
  } else if (fits && !base && group.base < positions_.front().offset) {
    outcome = Outcome::kStale;
  } else if (fits && base) {
    outcome =
        async ? ApplyAsyncGroup(group, *base, executor) : ApplySyncGroup(group, *base, executor);
  }
  if (outcome == Outcome::kFolded) {
    if (audits_) audits_->Accept(group, next_offset_, chain_, counters_.groups);
    return outcome;
  }
  counters_.image_forwards_wasted += group.examples;
  if (outcome == Outcome::kDuplicate) ++counters_.duplicates;
  if (outcome == Outcome::kStale) ++counters_.stale;
  if (outcome == Outcome::kForeign) ++counters_.foreign;
  if (outcome == Outcome::kExcluded) ++counters_.excluded;
  return outcome;
}

GroupObservation Replica::Count(const GroupRecord& group, const Position& base) {
  const GroupObservation observation = {
      group.trial, base.version, version_ + 1, static_cast<double>(counters_.groups),
      horizon(),   group.centre, group.losses, ProgressAt(base)};
  ++counters_.groups;
  counters_.image_forwards += group.examples;
  counters_.evaluations += group.losses.size() + (spec_.shape.centre ? 1 : 0);
  if (Barren(group)) ++counters_.barren;
  return observation;
}

Outcome Replica::ApplySyncGroup(const GroupRecord& group, const Position& base,
                                Executor& executor) {
  if (group.trial.round() < version_) return Outcome::kDuplicate;
  if (group.trial.round() > version_ || group.trial.slot() >= slots_.size() ||
      base.version != version_) {
    return Outcome::kForeign;
  }
  auto& slot = slots_[group.trial.slot()];
  if (slot) return Outcome::kDuplicate;
  slot.emplace(group, base);
  if (std::all_of(slots_.begin(), slots_.end(), [](const auto& s) { return s.has_value(); })) {
    FinishRound(executor);
  }
  return Outcome::kFolded;
}

void Replica::FinishRound(Executor& executor) {
  std::vector<GroupObservation> groups;
  for (const auto& slot : slots_) groups.push_back(Count(slot->first, slot->second));
  Observe(groups, MutableTheta(), executor);
  for (auto& slot : slots_) slot.reset();
  ++version_;
  if (counters_.groups / kDigestEvery > (counters_.groups - slots_.size()) / kDigestEvery) {
    if (whole_) digests_.push_back({0, counters_.groups, digest()});
    if (digests_.size() > kDigestsKept) digests_.pop_front();
  }
}

Outcome Replica::ApplyAsyncGroup(const GroupRecord& group, const Position& base,
                                 Executor& executor) {
  const std::uint64_t staleness = counters_.groups - base.groups;
  if (group.trial.worker() != group.worker) return Outcome::kForeign;
  if (recent_trials_.contains(group.trial)) return Outcome::kDuplicate;
  if (staleness > spec_.staleness_limit) return Outcome::kStale;
  recent_trials_.insert(group.trial);
  recent_order_.push_back(group.trial);
  if (recent_order_.size() > kPositions) {
    recent_trials_.erase(recent_order_.front());
    recent_order_.pop_front();
  }
  last_staleness_ = staleness;
  const std::span<float> theta = MutableTheta();
  const GroupObservation observation = Count(group, base);
  if (clocks_->trivial()) {
    Observe({&observation, 1}, theta, executor);
  } else {
    Observe({&observation, 1}, pending_, executor);
    for (const std::uint32_t block : clocks_->Tick()) {
      for (const Run& run : block_slices_[block].runs()) {
        for (std::uint64_t i = run.local; i < run.local + run.length; ++i) {
          theta[i] += pending_[i];
          pending_[i] = 0;
        }
      }
    }
  }
  ++version_;
  if (counters_.groups % kDigestEvery == 0) {
    if (whole_) digests_.push_back({0, counters_.groups, digest()});
    if (digests_.size() > kDigestsKept) digests_.pop_front();
  }
  return Outcome::kFolded;
}

void Replica::Observe(std::span<const GroupObservation> groups, std::span<float> target,
                      Executor& executor) {
  for (Cohort& cohort : cohorts_) {
    cohort.optimizer->ObserveAll(groups, *theta_, target, executor);
  }
}

std::string Replica::digest() const { return DigestHex(*theta_); }

Status Replica::CheckDigest(const DigestRecord& theirs) const {
  for (const DigestRecord& mine : digests_) {
    if (mine.groups != theirs.groups || mine.digest == theirs.digest) continue;
    return Corrupt(fmt::format(
        "after {} groups this replica's parameters have the digest {}, but worker {} journaled {}; "
        "the replicas do not agree",
        mine.groups, mine.digest, theirs.worker, theirs.digest));
  }
  return Ok();
}

std::optional<DigestRecord> Replica::newest_digest() const {
  if (digests_.empty()) return std::nullopt;
  return digests_.back();
}

std::vector<Replica::CohortView> Replica::cohorts() const {
  std::vector<CohortView> views;
  for (const Cohort& cohort : cohorts_) {
    views.push_back({cohort.options.frozen ? "frozen" : cohort.options.optimizer, cohort.blocks,
                     cohort.optimizer->Statistics()});
  }
  return views;
}

std::vector<std::string> Replica::TakeDecisions() {
  std::vector<std::string> decisions;
  if (audits_) decisions = audits_->TakeDecisions();
  for (Cohort& cohort : cohorts_) {
    for (std::string& text : cohort.optimizer->TakeDecisions()) {
      decisions.push_back(std::move(text));
    }
  }
  return decisions;
}

}  // namespace ndcao
