#include "ndcao/worker/group_evaluation.h"

#include <algorithm>
#include <cmath>

#include "ndcao/data/sampler.h"
#include "ndcao/worker/choose_examples.h"

namespace ndcao {

Result<GroupEvaluation> GroupEvaluation::Create(const RunSpec& spec, const Problem& problem) {
  NDCAO_ASSIGN(auto evaluator, problem.NewEvaluator());
  return GroupEvaluation(spec, problem, std::move(evaluator));
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
  std::vector<std::int32_t> strata(pool);
  for (std::size_t i = 0; i < pool; ++i) strata[i] = problem_->stratum(examples_[i]);
  ChosenExamples kept =
      ChooseExamples(strata, losses_, scores_, spec_->batch, ScreeningOffset(spec_->seed, trial));
  std::vector<std::uint32_t> chosen(kept.positions.size());
  for (std::size_t j = 0; j < chosen.size(); ++j) chosen[j] = examples_[kept.positions[j]];
  weights_ = std::move(kept.weights);
  NDCAO_TRY(evaluator_->Select(chosen));
  return kept.loss;
}

// Selects the trial's examples and returns the loss at the centre (NaN if nobody wants it).
Result<double> GroupEvaluation::SelectExamples(const Trial& trial) {
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
  NDCAO_ASSIGN(const double centre, SelectExamples(trial));
  record.centre = static_cast<float>(centre);
  ShareWork(trial);
  record.losses.reserve(spec_->shape.evaluations);
  for (std::uint32_t k = 0; k < spec_->shape.evaluations; ++k) {
    if (cancelled()) return std::optional<GroupRecord>();
    {
      const PhaseScope phase(clock_, Phase::kPerturb);
      if (k == 0) trial.Materialize(k, evaluator_->parameters());
      if (k > 0) trial.MaterializeNext(k, evaluator_->parameters());
    }
    NDCAO_ASSIGN(const double loss, Loss(trial.id));
    record.losses.push_back(static_cast<float>(loss));
  }
  return std::optional<GroupRecord>(std::move(record));
}

}  // namespace ndcao
