// One worker thread's copy of a network, and its measurements on a data set.
// Internal to evaluate/torch.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ndcao/data/dataset.h"
#include "ndcao/evaluate/evaluator.h"
#include "ndcao/evaluate/objective.h"
#include "ndcao/evaluate/torch/script_model.h"

namespace ndcao {

/// "[1, 28, 28]"
std::string ShapeText(at::IntArrayRef sizes);

class NetworkEvaluator : public Evaluator {
 public:
  /// `objective` outlives it.
  NetworkEvaluator(std::unique_ptr<ScriptModel> model, std::shared_ptr<const Dataset> data,
                   const Objective* objective);

  std::span<float> parameters() override { return model_->parameters(); }
  Status Select(std::span<const std::uint32_t> examples) override;
  Status PerExample(std::span<float> losses, std::span<float> scores) override;
  Result<double> Loss(TrialId trial, std::span<const float> weights) override;
  Result<Score> Test() override;

  ScriptModel& model() { return *model_; }
  /// The examples selected, and their labels; valid until the next selection.
  at::Tensor input() const {
    return input_.narrow(0, 0, static_cast<std::int64_t>(labels_.size()));
  }
  std::span<const std::int32_t> labels() const { return labels_; }
  /// One forward pass on the examples selected; valid until the next. The error
  /// says both shapes if the network's answer does not fit the data.
  Result<Outputs> Forward();

 private:
  Status Gather(const Examples& part, std::span<const std::uint32_t> examples);

  std::unique_ptr<ScriptModel> model_;
  std::shared_ptr<const Dataset> data_;
  const Objective* objective_;
  at::Tensor input_;
  at::Tensor output_;
  std::vector<std::int32_t> labels_;
};

}  // namespace ndcao
