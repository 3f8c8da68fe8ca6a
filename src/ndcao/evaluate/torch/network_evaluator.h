// One worker thread's copy of a network, and its measurements on a data set.
// Internal to evaluate/torch.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ndcao/data/dataset.h"
#include "ndcao/evaluate/evaluator.h"
#include "ndcao/evaluate/objective.h"
#include "ndcao/evaluate/torch/rounded_model.h"
#include "ndcao/evaluate/torch/script_model.h"
#include "ndcao/evaluate/torch/shared_layer.h"

namespace ndcao {

/// "[1, 28, 28]"
std::string ShapeText(at::IntArrayRef sizes);

class NetworkEvaluator : public Evaluator {
 public:
  /// `objective` outlives it. No forward pass has more than `pass` examples (0: all that are
  /// selected); outputs are the same but for the last bits.
  NetworkEvaluator(std::unique_ptr<ScriptModel> model, std::shared_ptr<const Dataset> data,
                   const Objective* objective, std::int64_t pass = 0);
  /// Lets evaluations share the product of `layer`, where that is faster (shared_layer.h).
  void ShareLayer(const std::string& layer);
  /// PerExample and Loss round parameters and inputs to bfloat16 from now on; Test and Forward do
  /// not.
  Status UseBfloat16();

  std::span<float> parameters() override { return model_->parameters(); }
  Status Select(std::span<const std::uint32_t> examples) override;
  void ShareAround(std::span<const float> centre, float step) override;
  Status PerExample(std::span<float> losses, std::span<float> scores) override;
  Result<double> Loss(TrialId trial, std::span<const float> weights) override;
  Result<Score> Test() override;

  ScriptModel& model() { return *model_; }
  /// The examples selected, and their labels; valid until the next selection.
  at::Tensor input() const {
    const auto count = static_cast<std::int64_t>(labels_.size());
    return input_.size(0) == count ? input_ : input_.narrow(0, 0, count);
  }
  std::span<const std::int32_t> labels() const { return labels_; }
  /// The outputs for the examples selected; valid until the next. The error
  /// says both shapes if the network's answer does not fit the data.
  Result<Outputs> Forward();
  /// The same as Loss and PerExample see it: at the precision of training.
  Result<Outputs> Measure();

 private:
  using ForwardFunction = std::function<at::Tensor(const at::Tensor& input)>;

  Status Gather(const Examples& part, std::span<const std::uint32_t> examples);
  Result<Outputs> Run(const at::Tensor& input, const ForwardFunction& forward);

  std::unique_ptr<ScriptModel> model_;
  std::shared_ptr<const Dataset> data_;
  const Objective* objective_;
  const std::int64_t pass_;
  std::unique_ptr<RoundedModel> rounded_;
  at::Tensor rounded_input_;
  std::unique_ptr<SharedLayer> shared_;
  bool sharing_ = false;
  std::vector<std::uint32_t> selected_;
  at::Tensor input_;
  at::Tensor output_;
  std::vector<std::int32_t> labels_;
};

}  // namespace ndcao
