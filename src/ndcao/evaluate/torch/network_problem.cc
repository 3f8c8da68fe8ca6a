#include "ndcao/evaluate/torch/network_problem.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <torch/script.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "ndcao/evaluate/torch/load_model.h"
#include "ndcao/evaluate/torch/runtime.h"
#include "ndcao/evaluate/torch/script_model.h"

namespace ndcao {
namespace {

constexpr std::uint32_t kTestBatch = 500;

std::string Shape(at::IntArrayRef sizes) { return fmt::format("[{}]", fmt::join(sizes, ", ")); }

class NetworkEvaluator : public Evaluator {
 public:
  NetworkEvaluator(std::unique_ptr<ScriptModel> model, std::shared_ptr<const Dataset> data,
                   const Objective* objective)
      : model_(std::move(model)), data_(std::move(data)), objective_(objective) {
    at::set_num_threads(1);
  }

  std::span<float> parameters() override { return model_->parameters(); }

  Status Select(std::span<const std::uint32_t> examples) override {
    return Gather(data_->train(), examples);
  }

  Status PerExample(std::span<float> losses, std::span<float> scores) override {
    NDCAO_ASSIGN(const Outputs outputs, Forward());
    objective_->PerExample(outputs, losses, scores);
    return Ok();
  }

  Result<double> Loss(TrialId, std::span<const float> weights) override {
    NDCAO_ASSIGN(const Outputs outputs, Forward());
    return objective_->Loss(outputs, weights);
  }

  Result<Score> Test() override {
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

  /// One forward pass on the examples selected; valid until the next.
  Result<Outputs> Forward() {
    NDCAO_TRY(CatchTorch("forward pass", [&] {
      output_ = model_->Forward(input_.narrow(0, 0, static_cast<std::int64_t>(labels_.size())));
      if (!output_.is_contiguous()) output_ = output_.contiguous();
    }));
    const auto classes = static_cast<std::size_t>(data_->classes());
    if (output_.scalar_type() != at::kFloat || output_.dim() != 2 ||
        output_.size(0) != static_cast<std::int64_t>(labels_.size()) ||
        output_.size(1) != data_->classes()) {
      return Invalid(
          fmt::format("model: for {} examples of shape {} it answers {} {}, but the data needs "
                      "float32 [{}, {}]",
                      labels_.size(), Shape(data_->shape()), c10::toString(output_.scalar_type()),
                      Shape(output_.sizes()), labels_.size(), classes));
    }
    return Outputs{{output_.data_ptr<float>(), labels_.size() * classes}, labels_, classes};
  }

 private:
  Status Gather(const Examples& part, std::span<const std::uint32_t> examples) {
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

  std::unique_ptr<ScriptModel> model_;
  std::shared_ptr<const Dataset> data_;
  const Objective* objective_;
  at::Tensor input_;
  at::Tensor output_;
  std::vector<std::int32_t> labels_;
};

class NetworkProblem : public Problem {
 public:
  NetworkProblem(NetworkOptions options, std::shared_ptr<const Dataset> data, Layout layout,
                 std::unique_ptr<Objective> objective)
      : options_(std::move(options)),
        data_(std::move(data)),
        layout_(std::move(layout)),
        objective_(std::move(objective)) {}

  const Layout& layout() const override { return layout_; }
  std::uint32_t examples() const override { return data_->train().size(); }
  std::uint32_t test_examples() const override { return data_->test().size(); }
  bool per_example() const override { return objective_->per_example(); }
  std::int32_t stratum(std::uint32_t example) const override {
    return data_->train().labels[example];
  }

  Result<ParameterVector> Initial(std::uint64_t seed) const override {
    NDCAO_ASSIGN(const auto model, LoadModel(options_.model, seed));
    const std::span<const float> values = model->parameters();
    return ParameterVector(values.begin(), values.end());
  }

  Result<std::unique_ptr<Evaluator>> NewEvaluator() const override {
    NDCAO_ASSIGN(auto model, LoadModel(options_.model, 0));
    return std::unique_ptr<Evaluator>(
        std::make_unique<NetworkEvaluator>(std::move(model), data_, objective_.get()));
  }

 private:
  NetworkOptions options_;
  std::shared_ptr<const Dataset> data_;
  Layout layout_;
  std::unique_ptr<Objective> objective_;
};

// That a write to the flat vector changes the output: a module that was frozen, or that keeps its
// weights elsewhere, would train silently on nothing.
Status CheckBinding(ScriptModel& model, NetworkEvaluator& evaluator) {
  NDCAO_ASSIGN(const Outputs outputs, evaluator.Forward());
  const std::vector<float> before(outputs.values.begin(), outputs.values.end());
  const ParameterVector saved(model.parameters().begin(), model.parameters().end());
  for (float& x : model.parameters()) x = x * 1.5f + 0.25f;
  NDCAO_ASSIGN(const Outputs changed, evaluator.Forward());
  const bool same = std::equal(before.begin(), before.end(), changed.values.begin());
  std::copy(saved.begin(), saved.end(), model.parameters().begin());
  if (same) {
    return Invalid("model: its outputs do not depend on its parameters; was the module frozen?");
  }
  return Ok();
}

}  // namespace

Result<std::unique_ptr<Problem>> MakeNetworkProblem(const NetworkOptions& options,
                                                    std::shared_ptr<const Dataset> data) {
  NDCAO_ASSIGN(auto objective, MakeObjective(options.objective));
  NDCAO_ASSIGN(auto model, LoadModel(options.model, 1));
  const Layout layout = model->layout();
  ScriptModel* raw = model.get();
  NetworkEvaluator evaluator(std::move(model), data, objective.get());
  const std::vector<std::uint32_t> first = {0, 1 % data->train().size()};
  NDCAO_TRY(evaluator.Select(first));
  const Status fits = CheckBinding(*raw, evaluator);
  if (!fits.ok()) {
    return Invalid(fmt::format("--model {} on {} (examples of shape {}, {} classes): {}",
                               options.model, data->name(), Shape(data->shape()), data->classes(),
                               fits.error().message()));
  }
  return std::unique_ptr<Problem>(
      std::make_unique<NetworkProblem>(options, std::move(data), layout, std::move(objective)));
}

Status ExportNetwork(const std::string& model, std::span<const float> parameters,
                     const std::string& path) {
  NDCAO_ASSIGN(const auto network, LoadModel(model, 0));
  if (network->parameters().size() != parameters.size()) {
    return Invalid(fmt::format("model {} has {} parameters, but {} are given", model,
                               network->parameters().size(), parameters.size()));
  }
  std::copy(parameters.begin(), parameters.end(), network->parameters().begin());
  return CatchTorch("writing " + path, [&] { network->module().save(path); });
}

}  // namespace ndcao
