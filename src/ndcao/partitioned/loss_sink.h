// The last stage's part: from outputs to losses, the choice of examples, and the group's record.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "ndcao/base/result.h"
#include "ndcao/evaluate/evaluator.h"
#include "ndcao/evaluate/objective.h"
#include "ndcao/journal/record.h"
#include "ndcao/partitioned/stage_message.h"
#include "ndcao/partitioned/test_pieces.h"
#include "ndcao/replica/run_spec.h"

namespace ndcao {

class LossSink {
 public:
  /// What a message of activations led to.
  struct Answer {
    std::vector<std::uint32_t> chosen;  ///< Positions in the pool, once it has been seen.
    std::optional<GroupRecord> group;   ///< Complete but for its worker.
    std::optional<Score> score;         ///< Of the test set.
  };

  /// `spec` and `objective` outlive it.
  LossSink(const RunSpec& spec, const Objective& objective, std::uint64_t classes)
      : spec_(spec), objective_(objective), classes_(classes), test_(objective, classes) {}

  /// kBegin, kTestBegin.
  Status Begin(const StageMessage& message);
  /// The network's outputs for a message of activations. One that belongs to nothing that has begun
  /// leads to nothing.
  Result<Answer> Take(const StageMessage& message, std::span<const float> outputs);
  void Forget(TrialId trial) { groups_.erase(trial); }

 private:
  struct Group {
    std::uint32_t attempt = 0;
    TrialBegin begin;
    std::vector<float> losses;  // of the pool
    std::vector<float> scores;
    std::vector<bool> seen;            // pieces of the pool
    std::vector<std::int32_t> labels;  // of the examples that were chosen
    std::vector<float> weights;
    std::vector<std::optional<float>> evaluations;
    float centre = 0;
    bool chosen = false;
  };

  Status TakePool(Group& group, const StageMessage& message, std::span<const float> outputs,
                  Answer& answer);
  Status TakeEvaluation(Group& group, const StageMessage& message, std::span<const float> outputs,
                        Answer& answer);
  void Choose(Group& group, TrialId trial, Answer& answer) const;
  Status CheckRows(std::span<const float> outputs, std::size_t rows) const;

  const RunSpec& spec_;
  const Objective& objective_;
  const std::uint64_t classes_;
  std::map<TrialId, Group> groups_;
  TestSink test_;
};

}  // namespace ndcao
