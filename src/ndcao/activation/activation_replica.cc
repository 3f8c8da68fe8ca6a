#include "ndcao/activation/activation_replica.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "ndcao/base/hash.h"

namespace ndcao {
namespace {

constexpr std::uint64_t kPiece = 1 << 14;
constexpr double kLossMemory = 0.98;
// How many moves ahead a batch that is one batch late is measured. Measured: 1 costs twice as much
// accuracy as 2, and 3 is no better (docs/results.md).
constexpr double kForesight = 2;
constexpr std::uint64_t kBarrenSteps = 8;
// Of all forwards, the share that the fallback may take is about a third.
constexpr std::uint64_t kStepsPerGroupCost = 2;

std::vector<Run> Pieces(const std::vector<Run>& runs) {
  std::vector<Run> pieces;
  for (const Run& run : runs) {
    for (std::uint64_t at = 0; at < run.length; at += kPiece) {
      pieces.push_back({run.global + at, run.local + at, std::min(kPiece, run.length - at)});
    }
  }
  return pieces;
}

Slice MergeAll(const std::vector<Slice>& slices) {
  std::vector<const Slice*> pointers;
  for (const Slice& slice : slices) pointers.push_back(&slice);
  return Merge(pointers);
}

GroupShape FallbackShape() { return {FallbackGroup::kEvaluations, true, false, 1}; }

}  // namespace

ActivationReplica::ActivationReplica(const RunSpec& spec, ParameterVector initial,
                                     Partition partition, const SiteTable& sites)
    : spec_(spec),
      partition_(std::move(partition)),
      budget_(spec.budget),
      theta_(std::move(initial)),
      adam_(theta_.size()),
      moment_(sites.features) {
  std::uint64_t passes = sites.sites.empty() ? 0 : 1;
  passes += std::uint64_t{spec.activation.probes} * sites.elsewhere;
  for (const SiteShape& site : sites.sites) {
    SiteShape shape = site;
    if (site.probed) passes += spec.activation.probes;
    if (spec.activation.estimator == ActivationEstimator::kStrict) shape.probed = false;
    for (std::size_t i = 0; i < site.inputs.size(); ++i) {
      inputs_.push_back({estimators_.size(), i, InputFactor(site.inputs[i])});
    }
    estimators_.emplace_back(shape, sites.features);
  }
  step_cost_ = passes * spec.batch;
}

// In pieces; each lies in one tensor.
std::vector<ActivationReplica::PacedRun> ActivationReplica::Paced(const std::vector<Run>& runs,
                                                                  const Layout& layout,
                                                                  const SiteTable& sites) const {
  std::vector<double> paces(layout.tensors().size(), 1.0);
  if (spec_.activation.estimator == ActivationEstimator::kLearned) {
    for (std::size_t i = 0; i < sites.paces.size(); ++i) paces[sites.probed[i]] = sites.paces[i];
  }
  const std::vector<Tensor>& tensors = layout.tensors();
  std::vector<PacedRun> paced;
  for (const Run& piece : Pieces(runs)) {
    auto tensor = std::upper_bound(
        tensors.begin(), tensors.end(), piece.global,
        [](std::uint64_t at, const Tensor& one) { return at < one.offset + one.size; });
    std::uint64_t length = 0;
    for (std::uint64_t at = 0; at < piece.length; at += length, ++tensor) {
      const std::uint64_t left = tensor->offset + tensor->size - (piece.global + at);
      length = std::min(piece.length - at, left);
      const auto index = static_cast<std::size_t>(tensor - tensors.begin());
      paced.push_back({{piece.global + at, piece.local + at, length}, paces[index]});
    }
  }
  return paced;
}

Result<ActivationReplica> ActivationReplica::Create(const RunSpec& spec, const Layout& layout,
                                                    ParameterVector initial,
                                                    const SiteTable& sites) {
  const Slice whole = Slice::Whole(layout.size());
  return Create(spec, layout, std::move(initial), sites, whole);
}

Result<ActivationReplica> ActivationReplica::Create(const RunSpec& spec, const Layout& layout,
                                                    ParameterVector initial, const SiteTable& sites,
                                                    const Slice& held) {
  NDCAO_ASSIGN(Partition partition,
               MakePartition(spec.blocks, spec.blocks_text, layout, spec.seed));
  ActivationReplica replica(spec, std::move(initial), std::move(partition), sites);
  NDCAO_TRY(replica.CreateBlocks(layout, sites, held));
  return replica;
}

Status ActivationReplica::CreateBlocks(const Layout& layout, const SiteTable& sites,
                                       const Slice& held) {
  std::vector<Run> probed;
  std::vector<Run> unprobed;
  for (std::size_t i = 0; i < layout.tensors().size(); ++i) {
    const Tensor& tensor = layout.tensors()[i];
    const bool has_site =
        std::find(sites.probed.begin(), sites.probed.end(), i) != sites.probed.end();
    (has_site ? probed : unprobed).push_back({tensor.offset, tensor.offset, tensor.size});
  }
  const Slice with_site = Intersect(Slice(std::move(probed)), held);
  const Slice without = Intersect(Slice(std::move(unprobed)), held);
  std::vector<Slice> trained;
  std::vector<Slice> others;
  std::vector<std::uint64_t> keys;
  bool all_frozen = true;
  for (const Block& block : partition_.blocks()) {
    NDCAO_ASSIGN(const BlockOptions options, spec_.OptionsFor(block.name));
    keys.push_back(block.slice.runs().front().global);
    blocks_.emplace_back();
    if (options.frozen) continue;
    all_frozen = false;
    trained.push_back(Intersect(block.slice, with_site));
    blocks_.back().runs = Paced(trained.back().runs(), layout, sites);
    others.push_back(Intersect(block.slice, without));
  }
  if (all_frozen) return Invalid("every block is frozen: there is nothing to train");
  together_ = Paced(MergeAll(trained).runs(), layout, sites);
  Slice rest = MergeAll(others);
  if (!rest.empty()) {
    const std::uint64_t key = rest.runs().front().global;
    const std::uint64_t size = rest.size();
    fallback_ = MakeOptimizer(spec_.options,
                              {std::move(rest), spec_.seed, key, size, FallbackShape()}, theta_);
  }
  if (spec_.mode == RunMode::kAsync && spec_.clock.greatest > 1) {
    clocks_.emplace(spec_.seed, spec_.clock, std::move(keys));
    pending_.assign(theta_.size(), 0.0f);
  }
  if (horizon() == 0) {
    return Invalid(fmt::format(
        "a budget of {} image-forwards is less than one step, which costs {}", budget_, CostOf(1)));
  }
  return Ok();
}

std::string ActivationReplica::digest() const { return DigestHex(theta_); }

Status ActivationReplica::CheckLosses() const {
  if (counters_.barren < kBarrenSteps) return Ok();
  return Failed(fmt::format("the losses of {} batches in a row are not finite", kBarrenSteps));
}

double ActivationReplica::train_loss() const {
  return loss_weight_ > 0 ? loss_ / loss_weight_ : std::numeric_limits<double>::quiet_NaN();
}

// Steps from one group of the fallback to the next.
std::uint64_t ActivationReplica::interval() const {
  constexpr std::uint64_t kGroupCost = FallbackGroup::kBatch * (FallbackGroup::kEvaluations + 1);
  if (step_cost_ == 0) return 1;
  return std::max<std::uint64_t>(1, kStepsPerGroupCost * kGroupCost / step_cost_);
}

std::uint64_t ActivationReplica::CostOf(std::uint64_t steps) const {
  constexpr std::uint64_t kGroupCost = FallbackGroup::kBatch * (FallbackGroup::kEvaluations + 1);
  const std::uint64_t groups = fallback_ ? (steps + interval() - 1) / interval() : 0;
  return steps * step_cost_ + groups * kGroupCost;
}

std::uint64_t ActivationReplica::horizon() const {
  std::uint64_t least = 0;
  std::uint64_t most = budget_ / std::max<std::uint64_t>(1, step_cost_) + 1;
  while (most - least > 1) {  // CostOf(least) fits, CostOf(most) does not
    const std::uint64_t middle = least + (most - least) / 2;
    (CostOf(middle) <= budget_ ? least : most) = middle;
  }
  return least;
}

double ActivationReplica::rate() const {
  const double done = static_cast<double>(counters_.steps) /
                      static_cast<double>(std::max<std::uint64_t>(1, horizon()));
  return spec_.activation.rate * std::cos(0.5 * std::numbers::pi * std::min(1.0, done));
}

void ActivationReplica::Observe(std::span<ProbeSums> slots, Executor& executor) {
  std::uint64_t finite = 0;
  double loss = 0;
  std::vector<float> moment = slots[0].moment;
  for (const ProbeSums& slot : slots) {
    finite += slot.finite;
    loss += slot.loss;
    counters_.image_forwards += slot.forwards;
    for (std::size_t i = 0; &slot != &slots[0] && i < moment.size(); ++i)
      moment[i] += slot.moment[i];
  }
  counters_.evaluations += step_cost_ / std::max(1u, spec_.batch);
  counters_.barren = finite == 0 ? counters_.barren + 1 : 0;
  if (finite > 0) {
    loss_ = kLossMemory * loss_ + (1 - kLossMemory) * loss / static_cast<double>(finite);
    loss_weight_ = kLossMemory * loss_weight_ + (1 - kLossMemory);
    moment_.Add(moment, spec_.batch);
    if (clocks_) {
      for (std::size_t i = 0; i < estimators_.size(); ++i) LearnEstimator(i, slots);
      for (std::size_t i = 0; i < inputs_.size(); ++i) LearnInputs(i, slots);
      MoveDue(slots);
    } else {
      LearnAndMove(slots, executor);
    }
  }
  ++counters_.steps;
}

SiteInverses ActivationReplica::input_inverses() const {
  SiteInverses inverses(estimators_.size());
  for (const SitedFactor& f : inputs_) inverses[f.site].push_back(f.factor.inverse());
  return inverses;
}

ParameterVector ActivationReplica::Ahead(std::uint64_t late) const {
  ParameterVector ahead = theta_;
  if (late == 0 || clocks_) return ahead;
  for (const auto& [piece, pace] : together_) {
    adam_.Extrapolate(piece.local, piece.length, pace * rate(), blocks_.front().steps,
                      kForesight * static_cast<double>(late), theta_, ahead);
  }
  return ahead;
}

// Estimators and parameters at once: no piece of the work reads what another writes.
void ActivationReplica::LearnAndMove(std::span<ProbeSums> slots, Executor& executor) {
  const double scale = 1.0 / spec_.batch;
  const double rate_now = rate();
  const std::uint64_t step = ++blocks_.front().steps;
  std::vector<float*> parts;
  for (ProbeSums& slot : slots) parts.push_back(slot.gradient.data());
  const std::size_t estimators_end = inputs_.size() + estimators_.size();
  executor.Run(estimators_end + together_.size(), [&](std::size_t p) {
    if (p < inputs_.size()) return LearnInputs(p, slots);
    if (p < estimators_end) return LearnEstimator(p - inputs_.size(), slots);
    const auto& [piece, pace] = together_[p - estimators_end];
    adam_.Update(piece.local, piece.length, parts, scale, pace * rate_now, step, theta_);
  });
  std::uint64_t moved = 0;
  for (const PacedRun& piece : together_) moved += piece.run.length;
  for (ProbeSums& slot : slots) slot.cleared = moved == slot.gradient.size();
}

void ActivationReplica::LearnEstimator(std::size_t i, std::span<const ProbeSums> slots) {
  std::vector<const SiteSums*> of_site;
  for (const ProbeSums& slot : slots) of_site.push_back(&slot.sites[i]);
  estimators_[i].Learn(of_site, spec_.batch, spec_.activation.probes, moment_.values());
}

void ActivationReplica::LearnInputs(std::size_t i, std::span<const ProbeSums> slots) {
  if (!InputFactor::MeasuredAt(counters_.steps)) return;
  std::vector<const InputSum*> of_factor;
  for (const ProbeSums& slot : slots) {
    of_factor.push_back(&slot.sites[inputs_[i].site].inputs[inputs_[i].index]);
  }
  inputs_[i].factor.Add(of_factor);
}

// A block that waited for m batches moves by their mean, √m times as far: its step grows as that of
// m independent ones would.
void ActivationReplica::MoveDue(std::span<const ProbeSums> slots) {
  const double rate_now = rate();
  for (const auto& [piece, pace] : together_) {
    for (const ProbeSums& slot : slots) {
      for (std::uint64_t i = piece.local; i < piece.local + piece.length; ++i) {
        pending_[i] += slot.gradient[i];
      }
    }
  }
  for (TrainedBlock& block : blocks_) ++block.pending;
  for (const std::uint32_t due : clocks_->Tick()) {
    TrainedBlock& block = blocks_[due];
    const auto batches = static_cast<double>(block.pending);
    ++block.steps;
    block.pending = 0;
    for (const auto& [run, pace] : block.runs) {
      float* const sum = pending_.data();
      adam_.Update(run.local, run.length, {&sum, 1}, 1 / (spec_.batch * batches),
                   pace * rate_now * std::sqrt(batches), block.steps, theta_);
    }
  }
}

double ActivationReplica::FallbackHorizon() const {
  return static_cast<double>(std::max<std::uint64_t>(1, horizon() / interval()));
}

double ActivationReplica::FallbackProgress() const {
  return std::min(1.0, static_cast<double>(counters_.groups) / FallbackHorizon());
}

std::optional<FallbackGroup> ActivationReplica::NextGroup() const {
  if (!fallback_ || done() || counters_.steps % interval() != 0) return std::nullopt;
  if (counters_.groups > counters_.steps / interval()) return std::nullopt;
  const TrialId trial = TrialId::Sync(counters_.groups, 0);
  return FallbackGroup{trial, fallback_->Propose(trial, FallbackProgress())};
}

void ActivationReplica::ObserveGroup(const FallbackGroup& group, float centre,
                                     std::span<const float> losses, Executor& executor) {
  const std::uint64_t version = counters_.groups;
  fallback_->Observe({group.trial, version, version + 1, static_cast<double>(version),
                      FallbackHorizon(), centre, losses, FallbackProgress()},
                     theta_, theta_, executor);
  ++counters_.groups;
  counters_.evaluations += losses.size() + 1;
  counters_.image_forwards += FallbackGroup::kBatch * (losses.size() + 1);
  if (estimators_.empty()) {
    ++counters_.steps;
    if (!std::isfinite(centre)) {
      ++counters_.barren;
      return;
    }
    counters_.barren = 0;
    loss_ = kLossMemory * loss_ + (1 - kLossMemory) * centre;
    loss_weight_ = kLossMemory * loss_weight_ + (1 - kLossMemory);
  }
}

}  // namespace ndcao
