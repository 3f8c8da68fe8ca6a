#include "ndcao/evaluate/torch/network_evaluator.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "ndcao/evaluate/torch/runtime.h"

namespace ndcao {
namespace {

constexpr std::uint32_t kTestBatch = 500;

}  // namespace

std::string ShapeText(at::IntArrayRef sizes) { return fmt::format("[{}]", fmt::join(sizes, ", ")); }

NetworkEvaluator::NetworkEvaluator(std::unique_ptr<ScriptModel> model,
                                   std::shared_ptr<const Dataset> data, const Objective* objective,
                                   std::int64_t pass)
    : model_(std::move(model)), data_(std::move(data)), objective_(objective), pass_(pass) {
  at::set_num_threads(1);
}

Status NetworkEvaluator::Select(std::span<const std::uint32_t> examples) {
  NDCAO_TRY(Gather(data_->train(), examples));
  if (rounded_) rounded_input_ = input().to(at::kBFloat16);
  if (shared_) selected_.assign(examples.begin(), examples.end());
  sharing_ = false;
  return Ok();
}

void NetworkEvaluator::ShareAround(std::span<const float> centre, float step) {
  if (!shared_) return;
  shared_->Begin(input(), data_->train(), selected_, centre, step);
  sharing_ = true;
}

void NetworkEvaluator::ShareLayer(const std::string& layer) {
  shared_ = SharedLayer::Create(*model_, layer, *data_);
}

Status NetworkEvaluator::PerExample(std::span<float> losses, std::span<float> scores) {
  NDCAO_ASSIGN(const Outputs outputs, Measure());
  objective_->PerExample(outputs, losses, scores);
  return Ok();
}

Result<double> NetworkEvaluator::Loss(TrialId, std::span<const float> weights) {
  NDCAO_ASSIGN(const Outputs outputs, Measure());
  return objective_->Loss(outputs, weights);
}

Result<Score> NetworkEvaluator::Test() {
  sharing_ = false;  // the test examples are selected now, in the same memory
  const Examples& test = data_->test();
  std::vector<float> values;
  std::vector<std::int32_t> labels;
  std::vector<std::uint32_t> indices;
  std::size_t classes = 0;
  for (std::uint32_t begin = 0; begin < test.size(); begin += kTestBatch) {
    indices.resize(std::min(kTestBatch, test.size() - begin));
    std::iota(indices.begin(), indices.end(), begin);
    NDCAO_TRY(Gather(test, indices));
    NDCAO_ASSIGN(const Outputs outputs, Forward());
    values.insert(values.end(), outputs.values.begin(), outputs.values.end());
    labels.insert(labels.end(), outputs.labels.begin(), outputs.labels.end());
    classes = outputs.classes;
  }
  const Outputs all{values, labels, classes};
  return Score{objective_->Loss(all, {}), Accuracy(all)};
}

Result<Outputs> NetworkEvaluator::Forward() {
  return Run(input(), [&](const at::Tensor& part) { return model_->Forward(part); });
}

Result<Outputs> NetworkEvaluator::Measure() {
  if (sharing_) {
    return Run({}, [&](const at::Tensor&) { return shared_->Forward(); });
  }
  if (!rounded_) return Forward();
  rounded_->ReadParameters();
  return Run(rounded_input_, [&](const at::Tensor& part) { return rounded_->Forward(part); });
}

Status NetworkEvaluator::UseBfloat16() {
  NDCAO_ASSIGN(rounded_, RoundedModel::Copy(*model_));
  return Ok();
}

Result<Outputs> NetworkEvaluator::Run(const at::Tensor& input, const ForwardFunction& forward) {
  NDCAO_TRY(CatchTorch("forward pass", [&] {
    const c10::InferenceMode guard;
    if (pass_ == 0 || !input.defined() || input.size(0) <= pass_) {
      output_ = forward(input);
    } else {
      std::vector<at::Tensor> parts;
      for (const at::Tensor& part : input.split(pass_)) parts.push_back(forward(part));
      output_ = at::cat(parts);
    }
    if (!output_.is_contiguous()) output_ = output_.contiguous();
  }));
  const auto classes = static_cast<std::size_t>(data_->classes());
  if (output_.scalar_type() != at::kFloat || output_.dim() != 2 ||
      output_.size(0) != static_cast<std::int64_t>(labels_.size()) ||
      output_.size(1) != data_->classes()) {
    return Invalid(
        fmt::format("for {} examples of shape {} the network "
                    "answers {} {}, but the data needs "
                    "Float [{}, {}]",
                    labels_.size(), ShapeText(data_->shape()), c10::toString(output_.scalar_type()),
                    ShapeText(output_.sizes()), labels_.size(), classes));
  }
  return Outputs{{output_.data_ptr<float>(), labels_.size() * classes}, labels_, classes};
}

Status NetworkEvaluator::Gather(const Examples& part, std::span<const std::uint32_t> examples) {
  const auto count = static_cast<std::int64_t>(examples.size());
  if (!input_.defined() || input_.size(0) < count) {
    std::vector<std::int64_t> shape = data_->shape();
    shape.insert(shape.begin(), count);
    input_ = at::empty(shape);
  }
  data_->Gather(part, examples, {input_.data_ptr<float>(), examples.size() * data_->features()});
  labels_.resize(examples.size());
  for (std::size_t i = 0; i < examples.size(); ++i) labels_[i] = part.labels[examples[i]];
  return Ok();
}

}  // namespace ndcao
