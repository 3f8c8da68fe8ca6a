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
  examples_ = std::move(chosen);
  weights_ = std::move(kept.weights);
  NDCAO_TRY(evaluator_->Select(examples_));
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

Status GroupEvaluation::MeasurePair(SharedGroup& group, EvaluationPair pair,
                                    const std::function<bool()>& cancelled) {
  const Trial& trial = group.trial();
  for (std::uint32_t k = pair.begin; k < pair.end; ++k) {
    if (cancelled()) return group.Abandon(), Ok();
    {
      const PhaseScope phase(clock_, Phase::kPerturb);
      if (k == pair.begin) trial.Materialize(k, evaluator_->parameters());
      if (k > pair.begin) trial.MaterializeNext(k, evaluator_->parameters());
    }
    NDCAO_ASSIGN(const double loss, Loss(trial.id));
    group.SetLoss(k, static_cast<float>(loss));
  }
  return Ok();
}

Result<std::optional<GroupRecord>> GroupEvaluation::Evaluate(
    SharedGroup& group, WorkerId worker, const std::function<bool()>& cancelled) {
  const Trial& trial = group.trial();
  GroupRecord record;
  record.trial = trial.id;
  record.base = trial.base;
  record.base_chain = trial.base_chain;
  record.worker = worker;
  record.examples = static_cast<std::uint32_t>(spec_->group_cost());
  NDCAO_ASSIGN(const double centre, SelectExamples(trial));
  record.centre = static_cast<float>(centre);
  ShareWork(trial);
  group.Open(examples_, weights_);
  Status measured;
  while (const auto pair = group.TakeFirst()) {
    measured = MeasurePair(group, *pair, cancelled);
    if (!measured.ok()) group.Abandon();
  }
  const PhaseScope phase(clock_, Phase::kWait);
  auto losses = group.Close();
  NDCAO_TRY(measured);
  if (!losses.ok()) return losses.error();
  if (!losses.value()) return std::optional<GroupRecord>();
  record.losses = std::move(*losses.value());
  return std::optional<GroupRecord>(std::move(record));
}

Result<std::optional<GroupRecord>> GroupEvaluation::Evaluate(
    const Trial& trial, WorkerId worker, const std::function<bool()>& cancelled) {
  SharedGroup alone(trial, spec_->shape.evaluations);
  return Evaluate(alone, worker, cancelled);
}

Status GroupEvaluation::Help(SharedGroup& group) {
  {
    const PhaseScope phase(clock_, Phase::kExamples);
    NDCAO_TRY(evaluator_->Select(group.examples()));
  }
  weights_ = group.weights();
  ShareWork(group.trial());
  while (const auto pair = group.TakeLast()) {
    NDCAO_TRY(MeasurePair(group, *pair, [&] { return group.abandoned(); }));
  }
  return Ok();
}

}  // namespace ndcao
