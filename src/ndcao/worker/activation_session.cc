#include "ndcao/worker/activation_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <numeric>
#include <thread>

#include "ndcao/base/memory_pools.h"
#include "ndcao/data/sampler.h"

namespace ndcao {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kMarks = 20;
// A measurement on the test part may cost a twentieth of the forwards since the last one.
constexpr std::uint64_t kMarkCost = 20;
constexpr double kReportSeconds = 0.1;
// Threads wait twice a step, mostly for some microseconds: less than it takes to wake up.
constexpr std::chrono::microseconds kSpin{50};

// Of the thread that asks; a session's threads set it.
thread_local PhaseClock* t_clock = nullptr;

/// A session's threads, each of whose clocks is in kFold while it works on a piece.
class FoldingTeam : public Executor {
 public:
  explicit FoldingTeam(Executor& team) : team_(team) {}
  void Run(std::size_t pieces, const std::function<void(std::size_t)>& work) override {
    const PhaseScope phase(*t_clock, Phase::kWait);
    team_.Run(pieces, [&work](std::size_t piece) {
      const PhaseScope own(*t_clock, Phase::kFold);
      work(piece);
    });
  }

 private:
  Executor& team_;
};

Phase PhaseOf(ProbePart part) {
  switch (part) {
    case ProbePart::kForward:
      return Phase::kForward;
    case ProbePart::kPerturb:
      return Phase::kPerturb;
    case ProbePart::kLesson:
      return Phase::kLesson;
  }
  return Phase::kOther;
}

// Where weights work at many positions at once, outer products are sums over many of them and their
// inputs are whitened, so both are less noisy: twice the rate pays there, though not in recurrent
// layers, whose steps follow from one another (docs/results.md).
double PaceOf(const ProbeSite& site) { return site.inputs.empty() || site.calls > 1 ? 1 : 2; }

}  // namespace

SiteTable TableOf(const ProbePlan& plan) {
  SiteTable table;
  table.features = plan.features;
  for (const ProbeSite& site : plan.sites) {
    table.sites.push_back({site.columns, site.kind != SiteKind::kOutput,
                           site.kind == SiteKind::kWeights, !site.cells.empty(), site.inputs});
    table.probed.insert(table.probed.end(), site.tensors.begin(), site.tensors.end());
    table.paces.resize(table.probed.size(), PaceOf(site));
  }
  return table;
}

ProbeRequest RequestOf(const RunSpec& spec, std::uint64_t step) {
  ProbeRequest request;
  request.seed = spec.seed;
  request.step = step;
  request.probes = spec.activation.probes;
  request.sigma = static_cast<float>(spec.activation.sigma);
  request.learned = spec.activation.estimator == ActivationEstimator::kLearned;
  request.measure_inputs = InputFactor::MeasuredAt(step);
  return request;
}

LearnedSoFar::LearnedSoFar(const ActivationReplica& replica)
    : whitener_(replica.whitener()), input_inverses_(replica.input_inverses()) {
  for (const SiteEstimator& e : replica.estimators()) estimators_.push_back(e.values());
}

void LearnedSoFar::AddTo(ProbeRequest& request) const {
  request.whitener = whitener_;
  request.estimators = estimators_;
  request.input_inverses = input_inverses_;
}

std::string ForeseenText(const ProbePlan& plan, const ActivationReplica& replica) {
  std::string text;
  for (std::size_t i = 0; i < plan.sites.size(); ++i) {
    if (replica.estimators()[i].values().empty()) continue;
    text += fmt::format("{}{} {:.2f}", text.empty() ? "R2 " : " ", plan.sites[i].name,
                        replica.estimators()[i].foreseen());
  }
  return text;
}

ActivationSession::ActivationSession(const RunSpec& spec, const Problem& problem,
                                     Evaluators evaluators, Journal& journal,
                                     ActivationReplica& replica, SessionOptions options)
    : spec_(spec),
      problem_(problem),
      evaluators_(std::move(evaluators)),
      journal_(journal),
      replica_(replica),
      options_(std::move(options)),
      sums_(evaluators_.size()) {}

// Where nothing but folds changes parameters, every thread reads those of the replica themselves.
void ActivationSession::ShareParameters() {
  if (replica_.has_fallback()) return;
  for (const auto& evaluator : evaluators_) evaluator->ReadParameters(replica_.parameters());
}

Result<SessionResult> ActivationSession::Run() {
  UseMemoryPools(options_.threads);
  start_ = Clock::now();
  ShareParameters();
  initial_forwards_ = replica_.counters().image_forwards;
  std::atomic<bool> stopping = false;
  Status trained;
  {
    std::vector<std::jthread> helpers;
    const auto useful = std::min(static_cast<std::size_t>(options_.threads), evaluators_.size());
    clocks_.resize(useful);
    if (useful <= std::thread::hardware_concurrency()) team_.set_spin(kSpin);
    for (std::size_t i = 1; i < useful; ++i) {
      helpers.emplace_back([&, i] {
        t_clock = &clocks_[i];
        t_clock->Start();
        t_clock->Enter(Phase::kWait);
        while (!stopping) team_.WaitAndHelp(std::chrono::milliseconds(20));
        t_clock->Enter(Phase::kOther);
      });
    }
    t_clock = &clocks_[0];
    t_clock->Start();
    trained = Train();
    t_clock->Enter(Phase::kOther);
    stopping = true;
    team_.Wake();
  }
  Report();
  NDCAO_TRY(trained);
  SessionResult result{replica_.done(), cancelled_, Seconds(),
                       replica_.counters().image_forwards - initial_forwards_};
  for (const PhaseClock& clock : clocks_) {
    for (std::size_t p = 0; p < kPhases; ++p) result.phases[p] += clock.seconds()[p];
  }
  return result;
}

Status ActivationSession::Train() {
  double reported = 0;
  while (!replica_.done()) {
    NDCAO_TRY(Step());
    NDCAO_TRY(replica_.CheckLosses());
    if (options_.stop_requested && options_.stop_requested()) {
      cancelled_ = true;
      break;
    }
    const double seconds = Seconds();
    if (options_.max_seconds > 0 && seconds >= options_.max_seconds) break;
    if (seconds < reported + kReportSeconds) continue;
    reported = seconds;
    NDCAO_TRY(MeasureTest());
    Report();
    if (between_steps) between_steps();
  }
  return Ok();
}

double ActivationSession::Seconds() const {
  return std::chrono::duration<double>(Clock::now() - start_).count();
}

void ActivationSession::LoadParameters(std::size_t slot) {
  const ParameterVector& theta = replica_.parameters();
  const std::span<float> parameters = evaluators_[slot]->network().parameters();
  if (parameters.data() == theta.data()) return;
  std::copy(theta.begin(), theta.end(), parameters.begin());
}

Status ActivationSession::RunSlots(const std::function<Status(std::size_t)>& work) {
  const PhaseScope phase(*t_clock, Phase::kWait);
  std::vector<Status> done(evaluators_.size());
  team_.Run(evaluators_.size(), [&](std::size_t slot) { done[slot] = work(slot); });
  for (const Status& status : done) NDCAO_TRY(status);
  return Ok();
}

Status ActivationSession::Step() {
  if (const auto group = replica_.NextGroup()) {
    NDCAO_TRY(MeasureGroup(*group));
    if (replica_.estimators().empty()) return Ok();
  }
  const std::uint64_t step = replica_.counters().steps;
  if (!order_) order_.emplace(spec_.seed, problem_.examples(), spec_.batch);
  const std::span<const std::uint32_t> batch = order_->At(step);
  const LearnedSoFar learned(replica_);
  ProbeRequest request = RequestOf(spec_, step);
  learned.AddTo(request);
  NDCAO_TRY(RunSlots([&](std::size_t slot) { return MeasureSlot(slot, batch, request); }));
  const PhaseScope phase(*t_clock, Phase::kFold);
  FoldingTeam team(team_);
  replica_.Observe(sums_, team);
  return Ok();
}

Status ActivationSession::MeasureSlot(std::size_t slot, std::span<const std::uint32_t> batch,
                                      ProbeRequest request) {
  const std::size_t begin = slot * spec_.batch / evaluators_.size();
  const std::size_t end = (slot + 1) * spec_.batch / evaluators_.size();
  request.examples = batch.subspan(begin, end - begin);
  request.first = begin;
  request.on_part = [](ProbePart part) { t_clock->Enter(PhaseOf(part)); };
  const PhaseScope phase(*t_clock, Phase::kPerturb);
  LoadParameters(slot);
  return evaluators_[slot]->Measure(request, sums_[slot]);
}

Status ActivationSession::MeasureGroup(const FallbackGroup& group) {
  std::vector<std::uint32_t> examples(FallbackGroup::kBatch);
  DrawExamples(spec_.seed, group.trial, problem_.examples(), examples);
  float centre = NAN;
  std::vector<float> losses(FallbackGroup::kEvaluations);
  NDCAO_TRY(RunSlots([&](std::size_t slot) -> Status {
    Evaluator& network = evaluators_[slot]->network();
    LoadParameters(slot);
    NDCAO_TRY(network.Select(examples));
    if (slot == 0) {
      NDCAO_ASSIGN(const double loss, network.Loss(group.trial, {}));
      centre = static_cast<float>(loss);
    }
    const std::size_t begin = slot * losses.size() / evaluators_.size();
    const std::size_t end = (slot + 1) * losses.size() / evaluators_.size();
    for (std::size_t k = begin; k < end; ++k) {
      group.proposal->Perturb(static_cast<std::uint32_t>(k), replica_.parameters(),
                              network.parameters());
      NDCAO_ASSIGN(const double loss, network.Loss(group.trial, {}));
      losses[k] = static_cast<float>(loss);
    }
    return Ok();
  }));
  const PhaseScope phase(*t_clock, Phase::kFold);
  FoldingTeam team(team_);
  replica_.ObserveGroup(group, centre, losses, team);
  return Ok();
}

// Measures the test part now and then, and journals what came of it.
Status ActivationSession::MeasureTest() {
  const std::uint64_t used = replica_.counters().image_forwards;
  if (!options_.marks || used < next_mark_) return Ok();
  const bool first = next_mark_ == 0;
  next_mark_ = used + std::max<std::uint64_t>(
                          {1, replica_.budget() / kMarks, kMarkCost * problem_.test_examples()});
  if (first) return Ok();
  LoadParameters(0);
  NDCAO_ASSIGN(const Score score, evaluators_[0]->network().Test());
  test_score_ = score;
  MarkRecord mark;
  mark.image_forwards = used;
  mark.seconds = Seconds();
  mark.train_loss = static_cast<float>(replica_.train_loss());
  mark.test_loss = static_cast<float>(score.loss);
  mark.test_accuracy = static_cast<float>(score.accuracy);
  mark.note = ForeseenText(evaluators_[0]->plan(), replica_);
  NDCAO_TRY(journal_.Append(mark));
  return Ok();
}

void ActivationSession::Report() {
  if (!options_.on_progress) return;
  SessionProgress progress;
  progress.fraction = static_cast<double>(replica_.counters().steps) /
                      static_cast<double>(std::max<std::uint64_t>(1, replica_.horizon()));
  progress.image_forwards = replica_.counters().image_forwards;
  progress.train_loss = replica_.train_loss();
  progress.seconds = Seconds();
  progress.test = test_score_;
  progress.images_per_second = static_cast<double>(progress.image_forwards - initial_forwards_) /
                               std::max(progress.seconds, 1e-9);
  options_.on_progress(progress);
}

}  // namespace ndcao
