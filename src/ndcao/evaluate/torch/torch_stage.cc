#include "ndcao/evaluate/torch/torch_stage.h"

#include <fmt/format.h>
#include <torch/script.h>

#include <algorithm>
#include <sstream>

#include "ndcao/evaluate/torch/build_module.h"
#include "ndcao/evaluate/torch/load_model.h"
#include "ndcao/evaluate/torch/network_evaluator.h"
#include "ndcao/evaluate/torch/runtime.h"

namespace ndcao {

Result<std::unique_ptr<TorchStage>> TorchStage::Create(const StageModel& stage) {
  NDCAO_ASSIGN(const BatchNorm batch_norm, ParseBatchNorm(stage.batch_norm));
  torch::jit::Module module;
  std::int64_t pass = 0;
  if (stage.module.empty()) {
    NDCAO_ASSIGN(const NetworkDescription network,
                 DescribeZooModel(stage.model, {stage.example_shape, stage.classes}));
    if (stage.from >= stage.to || stage.to > network.sections.size()) {
      return Corrupt("the stage has sections that the network does not have");
    }
    NDCAO_ASSIGN(module, BuildModule(network.Part(stage.from, stage.to), 0));
    pass = network.pass;
  } else {
    NDCAO_TRY(CatchTorch("the stage's modules", [&] {
      std::istringstream in(stage.module);
      module = torch::jit::load(in, at::kCPU);
    }));
  }
  NDCAO_ASSIGN(auto model, ScriptModel::Bind(std::move(module), batch_norm));
  return std::unique_ptr<TorchStage>(new TorchStage(std::move(model), stage, pass));
}

TorchStage::TorchStage(std::unique_ptr<ScriptModel> model, const StageModel& stage,
                       std::int64_t pass)
    : model_(std::move(model)), pass_(pass), shape_(stage.input_shape), inputs_(ValuesOf(shape_)) {
  shape_.insert(shape_.begin(), 0);
}

Result<at::Tensor> TorchStage::Input(std::span<const float> values) const {
  if (values.empty() || values.size() % inputs_ != 0) {
    return Invalid(fmt::format("{} values are no rows of {}", values.size(), inputs_));
  }
  std::vector<std::int64_t> shape = shape_;
  shape.front() = static_cast<std::int64_t>(values.size() / inputs_);
  at::Tensor input = at::empty(shape);
  std::copy(values.begin(), values.end(), input.data_ptr<float>());
  return input;
}

Result<at::Tensor> TorchStage::Rows(const at::Tensor& output, std::int64_t examples) const {
  if (output.scalar_type() == at::kFloat && output.dim() >= 1 && output.size(0) == examples) {
    return output.contiguous();
  }
  return Invalid(fmt::format("the stage answers {} {} for {} examples",
                             c10::toString(output.scalar_type()), ShapeText(output.sizes()),
                             examples));
}

Result<std::span<const float>> TorchStage::Forward(std::span<const float> values) {
  NDCAO_ASSIGN(const at::Tensor input, Input(values));
  NDCAO_TRY(CatchTorch("forward pass", [&] {
    std::vector<at::Tensor> parts;  // as NetworkEvaluator has them
    for (const at::Tensor& part : input.split(pass_ > 0 ? pass_ : input.size(0))) {
      parts.push_back(model_->Forward(part));
    }
    output_ = parts.size() == 1 ? parts.front() : at::cat(parts);
  }));
  NDCAO_ASSIGN(output_, Rows(output_, input.size(0)));
  return std::span<const float>(output_.data_ptr<float>(),
                                static_cast<std::size_t>(output_.numel()));
}

}  // namespace ndcao
