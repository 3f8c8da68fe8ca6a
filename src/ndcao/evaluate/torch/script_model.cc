#include "ndcao/evaluate/torch/script_model.h"

#include <fmt/format.h>
#include <torch/csrc/jit/passes/inliner.h>
#include <torch/csrc/jit/passes/remove_mutation.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include <cstring>

#include "ndcao/evaluate/torch/runtime.h"

namespace ndcao {
namespace {

struct NamedTensor {
  std::string name;
  at::Tensor tensor;

  std::int64_t begin() const { return tensor.storage_offset(); }
  std::int64_t end() const { return begin() + tensor.numel(); }
  bool shares_storage(const NamedTensor& other) const {
    return tensor.storage().is_alias_of(other.tensor.storage());
  }
  bool same_values(const NamedTensor& other) const {
    return begin() == other.begin() && end() == other.end();
  }
};

Status CheckKind(const NamedTensor& parameter) {
  if (parameter.tensor.scalar_type() != at::kFloat) {
    return Invalid(
        fmt::format("model: parameter '{}' is {}; only float32 parameters can be trained",
                    parameter.name, c10::toString(parameter.tensor.scalar_type())));
  }
  if (parameter.tensor.layout() == at::kStrided) return Ok();
  return Invalid(fmt::format(
      "model: parameter '{}' is sparse; only dense parameters can be trained", parameter.name));
}

// Gives a tensor memory of its own if it is a view that does not fill its storage in order, so that
// every storage is either one parameter's or that of tied ones.
Status Separate(NamedTensor& parameter, const std::vector<NamedTensor>& all) {
  const at::Tensor& tensor = parameter.tensor;
  bool tied = false;
  for (const NamedTensor& other : all) {
    if (&other == &parameter || !parameter.shares_storage(other)) continue;
    if (parameter.same_values(other)) {
      tied = true;
    } else if (parameter.begin() < other.end() && other.begin() < parameter.end()) {
      return Invalid(
          fmt::format("model: parameters '{}' and '{}' share a part "
                      "of their memory; only whole tensors can be "
                      "tied",
                      parameter.name, other.name));
    }
  }
  const bool whole = tensor.storage_offset() == 0 && tensor.is_non_overlapping_and_dense() &&
                     tensor.storage().nbytes() == tensor.numel() * sizeof(float);
  if (whole && (tied || tensor.is_contiguous())) return Ok();
  if (tied) {
    return Invalid(
        fmt::format("model: parameter '{}' is tied to another and a "
                    "part of a larger tensor; save "
                    "a clone of it",
                    parameter.name));
  }
  parameter.tensor.set_data(tensor.detach().clone(at::MemoryFormat::Contiguous));
  return Ok();
}

// Makes `destination` the tensor's storage, after copying its values there. All tensors of that
// storage follow, among them copies that a module keeps in lists (LSTM).
void Rebind(const at::Tensor& tensor, float* destination) {
  auto* storage = tensor.storage().unsafeGetStorageImpl();
  std::memcpy(destination, storage->data(), storage->nbytes());
  storage->set_data_ptr_noswap(at::DataPtr(destination, at::kCPU));
}

}  // namespace

Result<BatchNorm> ParseBatchNorm(const std::string& name) {
  if (name == "eval") return BatchNorm::kEval;
  if (name == "batch") return BatchNorm::kBatch;
  return Invalid(fmt::format("--batch-norm {}: unknown; allowed: eval, batch", name));
}

// Non-contiguous parameters that are tied are counted in the shape of a contiguous one among them.
Status ScriptModel::BindParameters() {
  std::vector<NamedTensor> all;
  for (const auto& parameter : module_.named_parameters()) {
    NDCAO_TRY(CheckKind({parameter.name, parameter.value}));
    if (parameter.value.numel() > 0) all.push_back({parameter.name, parameter.value});
  }
  if (all.empty()) return Invalid("model: it has no parameters to train");
  for (NamedTensor& parameter : all) {
    parameter.tensor.set_requires_grad(false);
    NDCAO_TRY(Separate(parameter, all));
  }
  std::vector<std::size_t> distinct;
  for (std::size_t i = 0; i < all.size(); ++i) {
    bool first = true;
    for (const std::size_t j : distinct) first = first && !all[i].shares_storage(all[j]);
    if (!first) continue;
    distinct.push_back(i);
    layout_.Add(all[i].name, all[i].tensor.sizes().vec());
  }
  buffer_.resize(layout_.size());
  for (std::size_t i = 0; i < distinct.size(); ++i) {
    Rebind(all[distinct[i]].tensor, buffer_.data() + layout_.tensors()[i].offset);
  }
  values_ = buffer_;
  return Ok();
}

void ScriptModel::ReadFrom(std::span<const float> shared) {
  const std::span<float> values(const_cast<float*>(shared.data()), shared.size());
  for (const auto& parameter : module_.named_parameters()) {
    if (parameter.value.numel() == 0) continue;
    auto* storage = parameter.value.storage().unsafeGetStorageImpl();
    const auto* now = static_cast<const float*>(storage->data());
    if (now < values_.data() || now >= values_.data() + values_.size()) continue;  // tied: done
    storage->set_data_ptr_noswap(at::DataPtr(values.data() + (now - values_.data()), at::kCPU));
  }
  values_ = values;
  ParameterVector().swap(buffer_);
}

Result<std::unique_ptr<ScriptModel>> ScriptModel::Bind(torch::jit::Module module,
                                                       BatchNorm batch_norm) {
  auto model = std::unique_ptr<ScriptModel>(new ScriptModel(std::move(module)));
  Status bound;
  NDCAO_TRY(CatchTorch("model", [&] {
    bound = model->BindParameters();
    model->module_.eval();
    model->SetBatchNorm(batch_norm);
  }));
  NDCAO_TRY(bound);
  return model;
}

int ScriptModel::SetBatchNorm(BatchNorm batch_norm) {
  int layers = 0;
  for (torch::jit::Module module : module_.modules()) {
    const auto name = module.type()->name();
    if (!name || name->name().find("BatchNorm") == std::string::npos) continue;
    module.train(batch_norm == BatchNorm::kBatch);
    ++layers;
  }
  return layers;
}

void ScriptModel::FixOperations() {
  optimized_ = false;
  const auto graph = module_.get_method("forward").graph();
  torch::jit::Inline(*graph);
  torch::jit::RemoveTensorMutation(graph);
}

at::Tensor FirstOutput(torch::jit::IValue output) {
  if (output.isTuple() && !output.toTupleRef().elements().empty()) {
    output = output.toTupleRef().elements().at(0);
  }
  TORCH_CHECK(output.isTensor(), "it answers a ", output.tagKind(),
              ", not a tensor or a tuple that begins with one");
  return output.toTensor();
}

at::Tensor ScriptModel::Forward(const at::Tensor& input) {
  const c10::InferenceMode guard;
  const torch::jit::GraphOptimizerEnabledGuard optimize(optimized_ &&
                                                        torch::jit::getGraphExecutorOptimize());
  return FirstOutput(module_.forward({input}));
}

}  // namespace ndcao
