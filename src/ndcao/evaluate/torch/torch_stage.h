// A stage's modules, bound to its parameters. Internal to evaluate/torch.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "ndcao/evaluate/stage_network.h"
#include "ndcao/evaluate/torch/script_model.h"

namespace ndcao {

class TorchStage : public StageNetwork {
 public:
  /// Builds this stage and nothing else of the network.
  static Result<std::unique_ptr<TorchStage>> Create(const StageModel& stage);

  std::span<float> parameters() override { return model_->parameters(); }
  Result<std::span<const float>> Forward(std::span<const float> input) override;

  ScriptModel& model() { return *model_; }
  /// Rows of input values as the modules take them: a copy, since messages are not aligned as
  /// tensors are. kInvalid if they are no whole rows.
  Result<at::Tensor> Input(std::span<const float> values) const;
  /// As `examples` rows of values, contiguous. kInvalid, saying the shape, if it is something else.
  Result<at::Tensor> Rows(const at::Tensor& output, std::int64_t examples) const;
  /// Of one example, as the last Forward answered.
  std::vector<std::int64_t> output_shape() const { return output_.sizes().slice(1).vec(); }

 private:
  TorchStage(std::unique_ptr<ScriptModel> model, const StageModel& stage, std::int64_t pass);

  std::unique_ptr<ScriptModel> model_;
  std::int64_t pass_;  // NetworkDescription::pass
  std::vector<std::int64_t> shape_;
  std::size_t inputs_;
  at::Tensor output_;
};

}  // namespace ndcao
