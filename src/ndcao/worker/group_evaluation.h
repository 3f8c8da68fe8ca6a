// The evaluation of one trial: which examples, which forward passes, which record comes of it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "ndcao/base/result.h"
#include "ndcao/evaluate/evaluator.h"
#include "ndcao/journal/record.h"
#include "ndcao/replica/replica.h"
#include "ndcao/worker/phase_clock.h"
#include "ndcao/worker/shared_group.h"

namespace ndcao {

/// One worker thread's means to evaluate trials.
class GroupEvaluation {
 public:
  /// `spec` and `problem` outlive it.
  static Result<GroupEvaluation> Create(const RunSpec& spec, const Problem& problem);

  /// Measures a group, as its leader. Empty if `cancelled` (asked between forward passes) said so.
  Result<std::optional<GroupRecord>> Evaluate(SharedGroup& group, WorkerId worker,
                                              const std::function<bool()>& cancelled);
  /// The same, alone.
  Result<std::optional<GroupRecord>> Evaluate(const Trial& trial, WorkerId worker,
                                              const std::function<bool()>& cancelled);
  /// Measures with another thread what is left of its group, which this one has joined.
  Status Help(SharedGroup& group);

  Evaluator& evaluator() { return *evaluator_; }
  /// Of the thread that evaluates.
  PhaseClock& clock() { return clock_; }

 private:
  GroupEvaluation(const RunSpec& spec, const Problem& problem, std::unique_ptr<Evaluator> evaluator)
      : spec_(&spec), problem_(&problem), evaluator_(std::move(evaluator)) {}

  Result<double> SelectExamples(const Trial& trial);
  Result<double> Screen(TrialId trial);
  Status ForwardPool();
  void ShareWork(const Trial& trial);
  Result<double> Loss(TrialId trial);
  Status MeasurePair(SharedGroup& group, EvaluationPair pair,
                     const std::function<bool()>& cancelled);

  const RunSpec* spec_;
  const Problem* problem_;
  std::unique_ptr<Evaluator> evaluator_;
  PhaseClock clock_;
  std::vector<std::uint32_t> examples_;  // drawn; after SelectExamples those that are kept
  std::vector<float> weights_;           // of those; empty: ones
  std::vector<float> losses_;
  std::vector<float> scores_;
};

}  // namespace ndcao
