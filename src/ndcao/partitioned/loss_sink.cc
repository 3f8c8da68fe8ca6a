#include "ndcao/partitioned/loss_sink.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "ndcao/data/sampler.h"
#include "ndcao/worker/choose_examples.h"

namespace ndcao {
namespace {

// As StageForward: more are left over from a life of the first stage.
constexpr std::size_t kMostGroups = 256;

}  // namespace

Status LossSink::Begin(const StageMessage& message) {
  if (message.kind == StageMessageKind::kTestBegin) return test_.Begin(message);
  NDCAO_ASSIGN(TrialBegin begin, TrialBegin::Decode(message.payload));
  const std::size_t size = begin.labels.size();
  if (size == 0 || begin.rows == 0 || !LabelsExist(begin.labels, classes_)) {
    return Corrupt("a trial begins without examples, or with labels that do not exist");
  }
  if (groups_.size() >= kMostGroups) groups_.erase(groups_.begin());
  Group& group = groups_[message.trial];
  if (message.attempt < group.attempt) return Ok();
  group = {};
  group.attempt = message.attempt;
  group.losses.resize(size);
  group.scores.resize(size);
  group.seen.resize((size + begin.rows - 1) / begin.rows);
  group.evaluations.resize(spec_.shape.evaluations);
  if (spec_.screening == 0) group.labels = begin.labels;
  group.centre = NAN;
  group.begin = std::move(begin);
  return Ok();
}

Result<LossSink::Answer> LossSink::Take(const StageMessage& message,
                                        std::span<const float> outputs) {
  Answer answer;
  if (message.kind == StageMessageKind::kTest) {
    answer.score = test_.Take(message, outputs);
    return answer;
  }
  const auto found = groups_.find(message.trial);
  if (found == groups_.end() || found->second.attempt != message.attempt) return answer;
  if (message.kind == StageMessageKind::kPool) {
    NDCAO_TRY(TakePool(found->second, message, outputs, answer));
  } else {
    NDCAO_TRY(TakeEvaluation(found->second, message, outputs, answer));
  }
  return answer;
}

Status LossSink::CheckRows(std::span<const float> outputs, std::size_t rows) const {
  if (outputs.size() == rows * classes_) return Ok();
  return Corrupt(fmt::format("the network has {} outputs for {} examples of {} classes",
                             outputs.size(), rows, classes_));
}

Status LossSink::TakePool(Group& group, const StageMessage& message, std::span<const float> outputs,
                          Answer& answer) {
  const std::size_t first = std::size_t{message.number} * group.begin.rows;
  if (message.number >= group.seen.size()) return Corrupt("a piece of a pool is none of it");
  const std::size_t rows = std::min<std::size_t>(group.begin.rows, group.losses.size() - first);
  NDCAO_TRY(CheckRows(outputs, rows));
  const Outputs measured{outputs, std::span(group.begin.labels).subspan(first, rows), classes_};
  if (spec_.screening == 0) {
    group.centre = static_cast<float>(objective_.Loss(measured, {}));
    return Ok();
  }
  objective_.PerExample(measured, std::span(group.losses).subspan(first, rows),
                        std::span(group.scores).subspan(first, rows));
  group.seen[message.number] = true;
  const bool all = std::ranges::all_of(group.seen, [](bool seen) { return seen; });
  if (all && !group.chosen) Choose(group, message.trial, answer);
  return Ok();
}

void LossSink::Choose(Group& group, TrialId trial, Answer& answer) const {
  ChosenExamples kept = ChooseExamples(group.begin.labels, group.losses, group.scores, spec_.batch,
                                       ScreeningOffset(spec_.seed, trial));
  group.labels.clear();
  for (const std::uint32_t position : kept.positions) {
    group.labels.push_back(group.begin.labels[position]);
  }
  group.weights = std::move(kept.weights);
  group.centre = static_cast<float>(kept.loss);
  group.chosen = true;
  answer.chosen = std::move(kept.positions);
}

Status LossSink::TakeEvaluation(Group& group, const StageMessage& message,
                                std::span<const float> outputs, Answer& answer) {
  if (message.number >= group.evaluations.size() || group.labels.empty()) {
    return Corrupt("an evaluation that its trial does not have");
  }
  NDCAO_TRY(CheckRows(outputs, group.labels.size()));
  group.evaluations[message.number] =
      static_cast<float>(objective_.Loss({outputs, group.labels, classes_}, group.weights));
  const auto measured = [](const std::optional<float>& loss) { return loss.has_value(); };
  if (!std::ranges::all_of(group.evaluations, measured)) return Ok();
  GroupRecord& record = answer.group.emplace();
  record.trial = message.trial;
  record.base = group.begin.base;
  record.base_chain = group.begin.base_chain;
  record.examples = static_cast<std::uint32_t>(spec_.group_cost());
  record.centre = group.centre;
  for (const std::optional<float>& loss : group.evaluations) record.losses.push_back(*loss);
  return Ok();
}

}  // namespace ndcao
