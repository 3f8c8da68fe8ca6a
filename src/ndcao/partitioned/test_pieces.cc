#include "ndcao/partitioned/test_pieces.h"

#include <algorithm>
#include <numeric>

namespace ndcao {
namespace {

// Examples of the test set in one message, as in one forward pass of a whole network, if they fit.
constexpr std::size_t kTestRows = 500;

}  // namespace

TestSource::TestSource(const Dataset& data, std::size_t fit)
    : data_(&data), rows_(std::min(kTestRows, fit)) {}

Result<std::optional<TestSource::Piece>> TestSource::Next(StageSender& sender,
                                                          std::uint32_t attempt) {
  const Examples& test = data_->test();
  const std::size_t first = next_ * rows_;
  if (first >= test.size()) return std::optional<Piece>();
  Piece piece{{StageMessageKind::kTest, next_, attempt, kTestTrial, {}}, {}};
  piece.examples.resize(std::min(rows_, test.size() - first));
  std::iota(piece.examples.begin(), piece.examples.end(), static_cast<std::uint32_t>(first));
  std::vector<std::int32_t> labels = {static_cast<std::int32_t>((test.size() + rows_ - 1) / rows_)};
  for (const std::uint32_t example : piece.examples) labels.push_back(test.labels[example]);
  NDCAO_TRY(sender.TellLast({StageMessageKind::kTestBegin, next_, attempt, kTestTrial,
                             std::as_bytes(std::span(labels))}));
  ++next_;
  return std::optional(std::move(piece));
}

Status TestSink::Begin(const StageMessage& message) {
  std::vector<std::int32_t> labels = message.As<std::int32_t>();
  if (labels.size() < 2 || labels[0] < 1) return Corrupt("a piece of the test set is empty");
  if (message.attempt > attempt_) parts_.clear();
  attempt_ = message.attempt;
  pieces_ = static_cast<std::size_t>(labels[0]);
  labels.erase(labels.begin());
  if (!LabelsExist(labels, classes_))
    return Corrupt("a piece of the test set has labels that the network does not know");
  parts_[message.number] = {std::move(labels), {}};
  return Ok();
}

std::optional<Score> TestSink::Take(const StageMessage& message, std::span<const float> outputs) {
  const auto found = parts_.find(message.number);
  if (found == parts_.end() || message.attempt != attempt_) return std::nullopt;
  if (outputs.size() != found->second.labels.size() * classes_) return std::nullopt;
  found->second.outputs.assign(outputs.begin(), outputs.end());
  std::vector<float> values;
  std::vector<std::int32_t> labels;
  for (const auto& [number, part] : parts_) {
    if (part.outputs.empty()) return std::nullopt;
    values.insert(values.end(), part.outputs.begin(), part.outputs.end());
    labels.insert(labels.end(), part.labels.begin(), part.labels.end());
  }
  if (parts_.size() != pieces_) return std::nullopt;
  const Outputs all{values, labels, classes_};
  return Score{objective_.Loss(all, {}), Accuracy(all)};
}

}  // namespace ndcao
