#include "ndcao/evaluate/torch/network_problem.h"

#include <fmt/format.h>
#include <torch/script.h>

#include <algorithm>

#include "ndcao/evaluate/torch/activation_network.h"
#include "ndcao/evaluate/torch/check_network.h"
#include "ndcao/evaluate/torch/export_model.h"
#include "ndcao/evaluate/torch/load_model.h"
#include "ndcao/evaluate/torch/network_evaluator.h"

namespace ndcao {
namespace {

class NetworkProblem : public Problem {
 public:
  NetworkProblem(ModelRequest request, std::shared_ptr<const Dataset> data, Layout layout,
                 std::unique_ptr<Objective> objective, bool bfloat16)
      : request_(std::move(request)),
        data_(std::move(data)),
        layout_(std::move(layout)),
        objective_(std::move(objective)),
        bfloat16_(bfloat16) {}

  const Layout& layout() const override { return layout_; }
  std::uint32_t examples() const override { return data_->train().size(); }
  std::uint32_t test_examples() const override { return data_->test().size(); }
  bool per_example() const override { return objective_->per_example(); }
  std::int32_t stratum(std::uint32_t example) const override {
    return data_->train().labels[example];
  }

  Result<ParameterVector> Initial(std::uint64_t seed) const override {
    NDCAO_ASSIGN(const auto model, LoadModel(request_, seed));
    const std::span<const float> values = model->parameters();
    return ParameterVector(values.begin(), values.end());
  }

  Result<std::unique_ptr<Evaluator>> NewEvaluator() const override {
    const NetworkDescription known = Describe(request_);
    NDCAO_ASSIGN(auto evaluator, NewNetworkEvaluator(known.pass));
    if (bfloat16_) {
      NDCAO_TRY(evaluator->UseBfloat16());
    } else if (!known.first_layer.empty()) {
      evaluator->ShareLayer(known.first_layer);
    }
    return std::unique_ptr<Evaluator>(std::move(evaluator));
  }

  Result<std::unique_ptr<NetworkEvaluator>> NewNetworkEvaluator(std::int64_t pass) const {
    NDCAO_ASSIGN(auto model, LoadModel(request_, 0));
    if (model->layout().size() != layout_.size()) {
      return Invalid(fmt::format("--model {}: it changed; it had {} parameters and now has {}",
                                 request_.model, layout_.size(), model->layout().size()));
    }
    return std::make_unique<NetworkEvaluator>(std::move(model), data_, objective_.get(), pass);
  }

  Result<std::unique_ptr<ActivationEvaluator>> NewActivationEvaluator() const {
    NDCAO_ASSIGN(auto model, LoadModel(request_, 1));
    return MakeActivationNetwork(std::move(model), data_, objective_.get());
  }

  const ModelRequest& request() const { return request_; }

 private:
  ModelRequest request_;
  std::shared_ptr<const Dataset> data_;
  Layout layout_;
  std::unique_ptr<Objective> objective_;
  bool bfloat16_;
};

Result<bool> ParseBfloat16(const std::string& precision) {
  if (precision == "float32") return false;
  if (precision == "bf16") return true;
  return Invalid(fmt::format("--precision {}: unknown; allowed: float32, bf16", precision));
}

}  // namespace

Result<std::unique_ptr<Problem>> MakeNetworkProblem(const NetworkOptions& options,
                                                    std::shared_ptr<const Dataset> data) {
  NDCAO_ASSIGN(auto objective, MakeObjective(options.objective));
  NDCAO_ASSIGN(const BatchNorm batch_norm, ParseBatchNorm(options.batch_norm));
  NDCAO_ASSIGN(const bool bfloat16, ParseBfloat16(options.precision));
  ModelRequest request{options.model, ShapeOf(*data), batch_norm};
  NDCAO_ASSIGN(auto model, LoadModel(request, 1));
  const Layout layout = model->layout();
  NetworkEvaluator evaluator(std::move(model), data, objective.get());
  const std::vector<std::uint32_t> first = {0, 1 % data->train().size()};
  NDCAO_TRY(evaluator.Select(first));
  Status fits = CheckNetwork(evaluator);
  if (fits.ok() && batch_norm == BatchNorm::kBatch) fits = CheckBatchNorm(evaluator);
  if (fits.ok() && bfloat16) {
    NDCAO_TRY(evaluator.UseBfloat16());
    NDCAO_TRY(evaluator.Select(first));
    fits = CheckBfloat16(evaluator);
  }
  if (!fits.ok()) {
    return Invalid(fmt::format("--model {} on {} (examples of shape {}, {} classes): {}",
                               options.model, data->name(), ShapeText(data->shape()),
                               data->classes(), fits.error().message()));
  }
  return std::unique_ptr<Problem>(std::make_unique<NetworkProblem>(
      std::move(request), std::move(data), layout, std::move(objective), bfloat16));
}

Result<std::unique_ptr<ActivationEvaluator>> NewActivationEvaluator(const Problem& problem) {
  const auto* network = dynamic_cast<const NetworkProblem*>(&problem);
  if (network == nullptr) {
    return Invalid("--probe activations: only networks have activations; use --probe weights");
  }
  return network->NewActivationEvaluator();
}

Result<std::unique_ptr<Evaluator>> NewPlainEvaluator(const Problem& problem) {
  const auto* network = dynamic_cast<const NetworkProblem*>(&problem);
  if (network == nullptr) return problem.NewEvaluator();
  NDCAO_ASSIGN(auto evaluator, network->NewNetworkEvaluator(0));
  return std::unique_ptr<Evaluator>(std::move(evaluator));
}

Result<std::string> ExportNetwork(const Problem& problem, std::span<const float> parameters) {
  const auto* network = dynamic_cast<const NetworkProblem*>(&problem);
  if (network == nullptr) return Invalid("export: what was trained is not a network");
  return ExportModel(network->request(), parameters);
}

}  // namespace ndcao
