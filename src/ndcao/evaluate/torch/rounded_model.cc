#include "ndcao/evaluate/torch/rounded_model.h"

#include "ndcao/evaluate/torch/runtime.h"

namespace ndcao {
namespace {

void Round(at::Tensor tensor) {
  if (tensor.scalar_type() == at::kFloat) tensor.set_data(tensor.to(at::kBFloat16));
}

}  // namespace

Result<std::unique_ptr<RoundedModel>> RoundedModel::Copy(const ScriptModel& model) {
  std::unique_ptr<RoundedModel> copy;
  NDCAO_TRY(CatchTorch("model", [&] {
    copy.reset(new RoundedModel(model.module().deepcopy()));
    const auto exact = model.module().named_parameters();
    auto place = exact.begin();
    for (const auto& parameter : copy->module_.named_parameters()) {
      Round(parameter.value);
      copy->parameters_.push_back({(*place).value, parameter.value});
      ++place;
    }
    for (const auto& buffer : copy->module_.named_buffers()) Round(buffer.value);
  }));
  return copy;
}

void RoundedModel::ReadParameters() {
  const c10::InferenceMode guard;
  for (const Pair& pair : parameters_) pair.rounded.copy_(pair.exact);
}

at::Tensor RoundedModel::Forward(const at::Tensor& input) {
  const c10::InferenceMode guard;
  return FirstOutput(module_.forward({input})).to(at::kFloat);
}

}  // namespace ndcao
