// Trains an activation run in this process: measures the slots of one step after another on its
// threads, and feeds the sums to the replica in the slots' order. The result does not depend on the
// number of threads.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ndcao/activation/activation_replica.h"
#include "ndcao/base/result.h"
#include "ndcao/data/batch_order.h"
#include "ndcao/evaluate/activation_evaluator.h"
#include "ndcao/evaluate/evaluator.h"
#include "ndcao/journal/journal.h"
#include "ndcao/worker/phase_clock.h"
#include "ndcao/worker/session.h"
#include "ndcao/worker/team_executor.h"

namespace ndcao {

/// What the arithmetic has to know of a network's sites.
SiteTable TableOf(const ProbePlan& plan);

/// What a step asks of every slot; not yet of which examples, nor with what has been learned.
ProbeRequest RequestOf(const RunSpec& spec, std::uint64_t step);

/// What a replica has learned, as a request refers to it: both outlive the request, and the replica
/// does not move meanwhile.
class LearnedSoFar {
 public:
  explicit LearnedSoFar(const ActivationReplica& replica);
  void AddTo(ProbeRequest& request) const;

 private:
  std::vector<float> whitener_;
  std::vector<std::span<const float>> estimators_;
  SiteInverses input_inverses_;
};

/// "R2 fc1 0.93 fc2 0.71"; empty where nothing was observed.
std::string ForeseenText(const ProbePlan& plan, const ActivationReplica& replica);

class ActivationSession {
 public:
  using Evaluators = std::vector<std::unique_ptr<ActivationEvaluator>>;

  /// One evaluator for each slot of the spec. `options.on_entry` and `delays` are not used.
  ActivationSession(const RunSpec& spec, const Problem& problem, Evaluators evaluators,
                    Journal& journal, ActivationReplica& replica, SessionOptions options);

  /// Called between steps, now and then: the moment to keep a snapshot.
  std::function<void()> between_steps;

  /// Until the budget is used up, the time is over, a stop is asked for, or an error.
  Result<SessionResult> Run();

 private:
  Status Train();
  Status Step();
  Status MeasureGroup(const FallbackGroup& group);
  Status MeasureTest();
  void ShareParameters();
  void LoadParameters(std::size_t slot);
  Status MeasureSlot(std::size_t slot, std::span<const std::uint32_t> batch, ProbeRequest request);
  Status RunSlots(const std::function<Status(std::size_t)>& work);
  void Report();
  double Seconds() const;

  const RunSpec& spec_;
  const Problem& problem_;
  Evaluators evaluators_;
  Journal& journal_;
  ActivationReplica& replica_;
  SessionOptions options_;
  TeamExecutor team_;
  std::vector<PhaseClock> clocks_;  ///< One for each thread.
  std::vector<ProbeSums> sums_;
  std::optional<BatchOrder> order_;
  std::chrono::steady_clock::time_point start_;
  std::uint64_t next_mark_ = 0;
  std::uint64_t initial_forwards_ = 0;
  std::optional<Score> test_score_;
  bool cancelled_ = false;
};

}  // namespace ndcao
