#include "ndcao/worker/group_evaluation.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "ndcao/data/sampler.h"

namespace ndcao {
namespace {

// Examples screened in one forward pass: enough to run at full speed, few enough that screening
// needs no more memory than the evaluations do.
constexpr std::size_t kScreeningBatch = 256;

}  // namespace

Result<GroupEvaluation> GroupEvaluation::Create(const RunSpec& spec, const Problem& problem) {
  NDCAO_ASSIGN(auto evaluator, problem.NewEvaluator());
  return GroupEvaluation(spec, problem, std::move(evaluator));
}

// Orders the pool by kind of example, and by score within a kind. Systematic sampling from an
// ordered pool takes its share of every stretch of it, so the examples that are kept vary less from
// draw to draw, and so does the loss (docs/results.md); the weights stay unbiased.
void GroupEvaluation::SortPool() {
  std::vector<std::uint32_t> order(examples_.size());
  std::iota(order.begin(), order.end(), 0);
  const auto key = [&](std::uint32_t i) {
    return std::pair(problem_->stratum(examples_[i]), std::isfinite(scores_[i]) ? scores_[i] : 0);
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return key(a) < key(b); });
  const auto permute = [&](auto& values) {
    auto sorted = values;
    for (std::size_t i = 0; i < order.size(); ++i) sorted[i] = values[order[i]];
    values = std::move(sorted);
  };
  permute(examples_);
  permute(losses_);
  permute(scores_);
}

// The losses and scores of every example in the pool.
Status GroupEvaluation::ForwardPool() {
  const std::size_t step = std::max<std::size_t>(kScreeningBatch, spec_->batch);
  for (std::size_t begin = 0; begin < examples_.size(); begin += step) {
    const std::size_t count = std::min(step, examples_.size() - begin);
    NDCAO_TRY(evaluator_->Select(std::span(examples_).subspan(begin, count)));
    const PhaseScope phase(clock_, Phase::kForward);
    NDCAO_TRY(evaluator_->PerExample(std::span(losses_).subspan(begin, count),
                                     std::span(scores_).subspan(begin, count)));
  }
  return Ok();
}

Result<double> GroupEvaluation::Loss(TrialId trial) {
  const PhaseScope phase(clock_, Phase::kForward);
  return evaluator_->Loss(trial, weights_);
}

// Forwards K·b examples at the centre and keeps b of them by importance. Returns L0, the weighted
// loss of those that are kept.
Result<double> GroupEvaluation::Screen(TrialId trial) {
  const std::size_t pool = std::size_t{spec_->screening} * spec_->batch;
  examples_.resize(pool);
  losses_.resize(pool);
  scores_.resize(pool);
  DrawExamples(spec_->seed, trial, problem_->examples(), examples_);
  NDCAO_TRY(ForwardPool());
  SortPool();
  const Screened kept = ScreenExamples(scores_, spec_->batch, ScreeningOffset(spec_->seed, trial));
  double centre = 0;
  std::vector<std::uint32_t> chosen(kept.positions.size());
  for (std::size_t j = 0; j < chosen.size(); ++j) {
    chosen[j] = examples_[kept.positions[j]];
    centre += static_cast<double>(kept.weights[j]) * losses_[kept.positions[j]];
  }
  weights_ = kept.weights;
  NDCAO_TRY(evaluator_->Select(chosen));
  return centre / static_cast<double>(chosen.size());
}

// Selects the trial's examples and returns the loss at the centre (NaN if nobody wants it).
Result<double> GroupEvaluation::ChooseExamples(const Trial& trial) {
  {
    const PhaseScope phase(clock_, Phase::kPerturb);
    std::copy(trial.point->begin(), trial.point->end(), evaluator_->parameters().begin());
  }
  const PhaseScope phase(clock_, Phase::kExamples);
  if (spec_->batch > 0 && spec_->screening > 0) return Screen(trial.id);
  examples_.resize(spec_->batch);
  weights_.clear();
  if (spec_->batch > 0) DrawExamples(spec_->seed, trial.id, problem_->examples(), examples_);
  NDCAO_TRY(evaluator_->Select(examples_));
  if (!spec_->shape.centre) return NAN;
  return Loss(trial.id);
}

void GroupEvaluation::ShareWork(const Trial& trial) {
  const std::optional<float> step = trial.step();
  if (!step) return;
  const PhaseScope phase(clock_, Phase::kForward);
  evaluator_->ShareAround(*trial.point, *step);
}

Result<std::optional<GroupRecord>> GroupEvaluation::Evaluate(
    const Trial& trial, WorkerId worker, const std::function<bool()>& cancelled) {
  GroupRecord record;
  record.trial = trial.id;
  record.base = trial.base;
  record.base_chain = trial.base_chain;
  record.worker = worker;
  record.examples = static_cast<std::uint32_t>(spec_->group_cost());
  NDCAO_ASSIGN(const double centre, ChooseExamples(trial));
  record.centre = static_cast<float>(centre);
  ShareWork(trial);
  record.losses.reserve(spec_->shape.evaluations);
  for (std::uint32_t k = 0; k < spec_->shape.evaluations; ++k) {
    if (cancelled()) return std::optional<GroupRecord>();
    {
      const PhaseScope phase(clock_, Phase::kPerturb);
      trial.Materialize(k, evaluator_->parameters());
    }
    NDCAO_ASSIGN(const double loss, Loss(trial.id));
    record.losses.push_back(static_cast<float>(loss));
  }
  return std::optional<GroupRecord>(std::move(record));
}

}  // namespace ndcao
