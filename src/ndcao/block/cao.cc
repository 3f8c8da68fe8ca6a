#include "ndcao/block/cao.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "ndcao/base/hash.h"
#include "ndcao/random/sequence.h"
#include "ndcao/random/uniforms.h"

namespace ndcao {
namespace {

constexpr std::size_t kLeastPoints = 3;  // before that there is nothing to fit
constexpr std::size_t kLateGroups = 64;  // how late a group may be, beyond its round
constexpr std::size_t kProposals = 8;    // choices that await their losses, beyond a round's
constexpr double kLinearRidge = 0.1;
constexpr double kMonomialRidge = 10;

// Streams of a trial (their `index`): the features, then one for each candidate.
constexpr std::uint32_t kFeatureStream = 0;
constexpr std::uint32_t kCandidateStream = 1;

/// The slice stands at one point in all evaluations of the group; at its previous one in its own
/// evaluation, if it has such.
class PointProposal : public Proposal {
 public:
  PointProposal(const Slice* slice, CaoPoint point) : slice_(slice), point_(std::move(point)) {}
  PointProposal(const Slice* slice, CaoPoint point, CaoPoint previous, std::uint64_t own)
      : slice_(slice), point_(std::move(point)), previous_(std::move(previous)), own_(own) {}

  bool places() const override { return true; }
  void Place(std::span<float> out) const override { Write(*point_, out); }
  void Perturb(std::uint32_t k, std::span<const float>, std::span<float> out) const override {
    Write(previous_ && k == own_ ? *previous_ : *point_, out);
  }

 private:
  void Write(const std::vector<float>& point, std::span<float> out) const {
    const float* value = point.data();
    for (const Run& run : slice_->runs()) {
      for (std::uint64_t i = 0; i < run.length; ++i) out[run.local + i] = *value++;
    }
  }

  const Slice* slice_;
  CaoPoint point_;
  CaoPoint previous_;
  std::uint64_t own_ = 0;
};

std::vector<float> Gather(const Slice& slice, std::span<const float> storage) {
  std::vector<float> packed;
  packed.reserve(slice.size());
  for (const Run& run : slice.runs()) {
    const auto begin = storage.begin() + static_cast<std::ptrdiff_t>(run.local);
    packed.insert(packed.end(), begin, begin + static_cast<std::ptrdiff_t>(run.length));
  }
  return packed;
}

std::uint64_t CountOf(std::span<const CaoEntry> known) {
  return known.empty() ? 0 : known.back().count;
}

// α(0): as told, or relative to the size of the initial parameters (to 1 if they are zeros).
double FirstStep(const BlockOptions& options, const std::vector<float>& start) {
  if (options.sigma > 0) return options.sigma;
  double square = 0;
  for (const double x : start) square += x * x;
  const double scale = std::sqrt(square / static_cast<double>(start.size()));
  return options.cao.step * (scale > 0 ? scale : 1);
}

}  // namespace

CaoOptimizer::CaoOptimizer(const BlockOptions& options, CohortContext context,
                           std::span<const float> initial)
    : options_(options),
      context_(std::move(context)),
      key_(ChainHash(context_.seed, context_.cohort_key)),
      start_(std::make_shared<const std::vector<float>>(Gather(context_.slice, initial))),
      first_step_(FirstStep(options_, *start_)),
      history_(options_.cao.window, kLateGroups + context_.shape.slots),
      rest_(*start_) {}

std::shared_ptr<const Proposal> CaoOptimizer::Propose(TrialId trial, double) const {
  const auto known = history_.Now();
  if (proposed_.size() == kProposals + context_.shape.slots) proposed_.erase(proposed_.begin());
  proposed_.push_back({trial, CountOf(known), Choose(known, trial)});
  CaoPoint point = proposed_.back().choice.point;
  if (!options_.cao.coordinate) {
    return std::make_shared<PointProposal>(&context_.slice, std::move(point));
  }
  return std::make_shared<PointProposal>(&context_.slice, std::move(point),
                                         known.empty() ? start_ : known.back().point,
                                         context_.first_block);
}

void CaoOptimizer::Observe(const GroupObservation& group, std::span<const float>,
                           std::span<float> target, Executor&) {
  const auto known = history_.At(group.base_version);
  if (!known) return;
  const float performance = Performance(*known, group);
  if (!std::isfinite(performance)) return;
  Choice choice = TakeProposed(*known, group.trial);
  CaoEntry entry;
  entry.version = group.version;
  entry.progress = (group.time + 1) / group.horizon;
  entry.loss = performance;
  entry.point = std::move(choice.point);
  entry.kept = std::move(choice.kept);
  history_.Add(std::move(entry));
  MoveToCentre(target);
}

float CaoOptimizer::Performance(std::span<const CaoEntry> known,
                                const GroupObservation& group) const {
  if (options_.cao.coordinate) {
    if (known.empty()) return group.centre;
    return known.back().loss + (group.centre - group.losses[context_.first_block]);
  }
  if (context_.shape.centre) return group.centre;
  double sum = 0;
  for (const float loss : group.losses) sum += loss;
  return static_cast<float>(sum / static_cast<double>(group.losses.size()));
}

// The choice of another process, or one that is long ago, is made again.
CaoOptimizer::Choice CaoOptimizer::TakeProposed(std::span<const CaoEntry> known, TrialId trial) {
  const auto made = std::find_if(proposed_.begin(), proposed_.end(), [&](const Proposed& p) {
    return p.trial == trial && p.count == CountOf(known);
  });
  if (made == proposed_.end()) return Choose(known, trial);
  Choice choice = std::move(made->choice);
  proposed_.erase(made);
  return choice;
}

CaoOptimizer::Choice CaoOptimizer::Choose(std::span<const CaoEntry> known, TrialId trial) const {
  if (known.empty()) return {start_, {}};
  const CaoPoint centre = Centre(known);
  const double step = Step(known);
  if (!(step > 0)) return {centre, {}};
  Fitted fitted = Fit(known, *centre, step, trial);
  const std::vector<double> u = BestOffset(fitted.estimate.get(), trial, centre->size());
  std::vector<float> point(centre->size());
  for (std::size_t j = 0; j < point.size(); ++j) {
    point[j] = static_cast<float>((*centre)[j] + step * u[j]);
  }
  return {std::make_shared<const std::vector<float>>(std::move(point)), std::move(fitted.kept)};
}

CaoOptimizer::Fitted CaoOptimizer::Fit(std::span<const CaoEntry> known,
                                       const std::vector<float>& centre, double step,
                                       TrialId trial) const {
  if (known.size() < kLeastPoints) return {};
  const CaoOptions& cao = options_.cao;
  CaoWindow window = MakeWindow(known, centre, step);
  if (cao.estimator == CaoEstimator::kLinear) {
    return {FitLinear(std::move(window), cao.ridge > 0 ? cao.ridge : kLinearRidge), {}};
  }
  auto estimate = MonomialEstimate::Fit(
      window, known.back().kept, cao.monomials, cao.ridge > 0 ? cao.ridge : kMonomialRidge,
      RandomSequence(key_, Purpose::kCandidates, trial.value, kFeatureStream));
  std::vector<Monomial> kept;
  if (cao.keep_largest) kept = estimate->Largest();
  return {std::move(estimate), std::move(kept)};
}

// The offset of the candidate that the estimate likes best. The centre is a candidate too.
std::vector<double> CaoOptimizer::BestOffset(const CaoEstimate* estimate, TrialId trial,
                                             std::size_t size) const {
  std::vector<double> u(size);
  if (estimate == nullptr) {
    DrawCandidate(trial, 0, u);
    return u;
  }
  std::vector<double> best(size, 0.0);
  double least = std::numeric_limits<double>::infinity();
  const double at_centre = estimate->At(best);
  for (std::uint32_t k = 0; k < options_.cao.candidates; ++k) {
    DrawCandidate(trial, k, u);
    const double value = estimate->At(u);
    if (value < least) least = value, best.swap(u);
  }
  return least <= at_centre ? best : std::vector<double>(size, 0.0);
}

CaoPoint CaoOptimizer::Centre(std::span<const CaoEntry> known) const {
  if (known.empty()) return start_;
  return options_.cao.centre == CaoCentre::kBest ? known.back().best : known.back().point;
}

double CaoOptimizer::Step(std::span<const CaoEntry> known) const {
  const CaoOptions& cao = options_.cao;
  if (known.empty()) return first_step_;
  switch (cao.schedule) {
    case CaoStep::kConstant:
      return first_step_;
    case CaoStep::kLinear:
      return first_step_ *
             std::max(cao.step_floor, 1 - (1 - cao.step_floor) * known.back().progress);
    case CaoStep::kDecaying:
      return first_step_ / std::sqrt(1.0 + static_cast<double>(known.back().count));
  }
  return first_step_;
}

// Sixteen bits a number: finer than any estimate, and half the price.
void CaoOptimizer::DrawCandidate(TrialId trial, std::uint32_t candidate,
                                 std::span<double> u) const {
  DrawUniforms({key_, Purpose::kCandidates, trial.value, kCandidateStream + candidate}, u);
}

void CaoOptimizer::MoveToCentre(std::span<float> target) {
  const CaoPoint centre = Centre(history_.Now());
  std::size_t packed = 0;
  for (const Run& run : context_.slice.runs()) {
    for (std::uint64_t i = 0; i < run.length; ++i, ++packed) {
      const float move = (*centre)[packed] - rest_[packed];
      rest_[packed] += move;
      target[run.local + i] += move;
    }
  }
}

void CaoOptimizer::Save(ByteWriter& out) const {
  out.PutAll(std::span<const float>(*start_));
  out.PutAll(std::span<const float>(rest_));
  out.Put(first_step_);
  history_.Save(out);
}

void CaoOptimizer::Load(ByteReader& in) {
  std::vector<float> start(start_->size());
  in.GetAll(std::span<float>(start));
  start_ = std::make_shared<const std::vector<float>>(std::move(start));
  in.GetAll(std::span<float>(rest_));
  first_step_ = in.Get<double>();
  proposed_.clear();
  history_.Load(in, rest_.size());
}

std::vector<Statistic> CaoOptimizer::Statistics() const {
  const auto known = history_.Now();
  if (known.empty()) return {};
  return {{"loss", known.back().loss}, {"best", known.back().best_loss}, {"step", Step(known)}};
}

}  // namespace ndcao
