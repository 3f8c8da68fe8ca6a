#include "ndcao/evaluate/torch/activation_network.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "ndcao/evaluate/torch/network_evaluator.h"
#include "ndcao/evaluate/torch/runtime.h"
#include "ndcao/evaluate/torch/site_probe.h"

namespace ndcao {
namespace {

// How far outputs are moved to see what the loss does.
constexpr float kOutputStep = 0.02f;
// The gain of normalised least mean squares.
constexpr float kGain = 1.5f;
// Streams of the outputs' directions, where they are not probed one by one.
constexpr std::uint32_t kFeatureStream = 1 << 15;
constexpr std::uint32_t kOutputStream = kFeatureStream + 1;

class ActivationNetwork : public ActivationEvaluator {
 public:
  ActivationNetwork(std::unique_ptr<ScriptModel> model, std::shared_ptr<const Dataset> data,
                    const Objective* objective)
      : data_(data),
        objective_(objective),
        evaluator_(std::move(model), std::move(data), objective),
        memory_(evaluator_.parameters()),
        layout_size_(evaluator_.parameters().size()) {}

  Status Plan() {
    const Layout& layout = evaluator_.model().layout();
    if (!objective_->per_example()) {
      for (std::size_t i = 0; i < layout.tensors().size(); ++i) {
        plan_.plan.unprobed.push_back({i, "the objective has no loss for each example"});
      }
      return Ok();
    }
    evaluator_.model().FixOperations();
    PlanPasses passes;
    const std::uint32_t examples = data_->train().size();
    const auto record = [&](OperationTape& tape, std::vector<std::uint32_t> chosen) {
      for (std::uint32_t& i : chosen) i %= examples;
      return RecordOn(chosen, tape);
    };
    NDCAO_TRY(record(passes.three, {0, 1, 2}));
    NDCAO_TRY(record(passes.other_first, {3, 1, 2}));
    NDCAO_TRY(record(passes.five, {0, 1, 2, 3, 4}));
    Result<TorchPlan> made = Failed("");
    NDCAO_TRY(CatchTorch("looking for places to probe", [&] {
      const c10::InferenceMode guard;
      made = MakeProbePlan(passes, memory_, layout, static_cast<std::uint64_t>(data_->classes()));
    }));
    if (!made.ok()) return made.error().Context("--probe activations");
    plan_ = std::move(made).value();
    if (!plan_.plan.whole_passes.empty()) {
      for (const TorchSite& site : plan_.sites) {
        for (const SiteCall& call : site.calls) {
          keep_[call.call.operation].push_back(call.call.input);
        }
      }
    }
    return Ok();
  }

  const ProbePlan& plan() const override { return plan_.plan; }
  Evaluator& network() override { return evaluator_; }

  Status Measure(const ProbeRequest& request, ProbeSums& sums) override {
    OperationTape tape;
    NDCAO_TRY(RecordOn(request.examples, tape));
    if (tape.operations().size() != plan_.operations) {
      return Invalid(
          "--probe activations: the network's operations depend on the values of its input; use "
          "--probe weights");
    }
    return CatchTorch("probing activations", [&] {
      const c10::InferenceMode guard;
      MeasureSites(request, tape, sums);
    });
  }

 private:
  at::Tensor RunModel() { return evaluator_.model().Forward(evaluator_.input()); }

  Status RecordOn(std::span<const std::uint32_t> examples, OperationTape& tape) {
    NDCAO_TRY(evaluator_.Select(examples));
    return CatchTorch("forward pass", [&] {
      const c10::InferenceMode guard;
      tape = OperationTape::Record([&] { return RunModel(); }, keep_);
    });
  }

  /// [rows] losses; the labels repeat every B rows.
  at::Tensor Losses(const at::Tensor& outputs) {
    const at::Tensor rows = outputs.contiguous();
    const auto count = static_cast<std::size_t>(rows.size(0));
    const std::span<const std::int32_t> labels = evaluator_.labels();
    repeated_.resize(count);
    for (std::size_t i = 0; i < count; ++i) repeated_[i] = labels[i % labels.size()];
    at::Tensor losses = at::empty({rows.size(0)});
    objective_->PerExample({{rows.data_ptr<float>(), static_cast<std::size_t>(rows.numel())},
                            repeated_,
                            static_cast<std::size_t>(rows.size(1))},
                           {losses.data_ptr<float>(), count}, {});
    return losses;
  }

  /// [B, directions]: what the loss does when the outputs move along each row of `directions`.
  at::Tensor OutputResponses(const at::Tensor& outputs, const at::Tensor& losses,
                             const at::Tensor& directions) {
    const at::Tensor moved =
        outputs.unsqueeze(0) + (directions * kOutputStep).unsqueeze(1);  // [r, B, outputs]
    const at::Tensor there = Losses(moved.flatten(0, 1)).view({directions.size(0), -1});
    return ((there - losses) * (1 / kOutputStep)).nan_to_num_(0, 0, 0).t().contiguous();
  }

  at::Tensor Directions(const ProbeRequest& request, std::uint32_t stream, std::uint64_t step) {
    const auto features = static_cast<std::int64_t>(plan_.plan.features);
    const std::int64_t outputs = data_->classes();
    if (features == outputs) return at::eye(outputs);
    return Signs(request.seed, step, stream, 0, {features, outputs});
  }

  /// e, whitened and divided by 1 + e A⁻¹ eᵀ/r.
  at::Tensor Features(const at::Tensor& error, std::span<const float> whitener) {
    const std::int64_t r = error.size(1);
    const at::Tensor inverse = at::from_blob(const_cast<float*>(whitener.data()), {r, r});
    const at::Tensor white = at::mm(error, inverse);
    const at::Tensor reach = (white * error).sum(1, true) * (1.0f / static_cast<float>(r));
    return white * (kGain / (1 + reach));
  }

  // The site that makes the outputs: the responses are its signal, where every output was probed.
  at::Tensor OutputSignal(const ProbeRequest& request, const CleanPass& clean) {
    if (clean.error.size(1) == data_->classes()) return clean.error;
    const at::Tensor directions = Directions(request, kOutputStream, request.step + 1);
    const at::Tensor responses = OutputResponses(clean.tape->output(), clean.losses, directions);
    return at::mm(responses, directions) * (1.0 / static_cast<double>(directions.size(0)));
  }

  void Clear(const ProbeRequest& request, ProbeSums& sums) const {
    const std::uint64_t r = plan_.plan.features;
    sums.gradient.assign(layout_size_, 0.0f);
    sums.sites.resize(plan_.sites.size());
    for (std::size_t i = 0; i < plan_.sites.size(); ++i) {
      const ProbeSite& site = plan_.plan.sites[i];
      const bool learns = request.learned && site.kind != SiteKind::kOutput;
      SiteSums& of_site = sums.sites[i];
      of_site.correction.assign(learns ? r * site.columns : 0, 0.0f);
      of_site.observed = of_site.unforeseen = of_site.change = 0;
    }
    sums.moment.assign(r * r, 0.0f);
  }

  void MeasureSites(const ProbeRequest& request, const OperationTape& tape, ProbeSums& sums) {
    Clear(request, sums);
    const auto examples = static_cast<std::uint64_t>(request.examples.size());
    sums.forwards = examples;
    CleanPass clean;
    clean.tape = &tape;
    clean.losses = Losses(tape.output());
    const at::Tensor finite = at::isfinite(clean.losses);
    sums.finite = static_cast<std::uint64_t>(finite.sum().item<std::int64_t>());
    sums.loss = clean.losses.masked_select(finite).sum(at::kDouble).item<double>();
    clean.error =
        OutputResponses(tape.output(), clean.losses, Directions(request, kFeatureStream, 0));
    at::from_blob(sums.moment.data(), {clean.error.size(1), clean.error.size(1)})
        .addmm_(clean.error.t(), clean.error);
    if (!request.whitener.empty()) clean.features = Features(clean.error, request.whitener);
    clean.changed = [&](std::span<const Change> changes, std::span<const std::size_t> watch,
                        std::vector<at::Tensor>* seen) {
      ChangedPass pass = plan_.plan.whole_passes.empty()
                             ? tape.Recompute(changes, watch)
                             : ForwardWith([&] { return RunModel(); }, changes, watch);
      if (seen != nullptr) *seen = std::move(pass.watched);
      sums.forwards += examples;
      return Losses(pass.output);
    };
    const at::Tensor gradient =
        at::from_blob(sums.gradient.data(), {static_cast<std::int64_t>(sums.gradient.size())});
    for (std::size_t i = 0; i < plan_.sites.size(); ++i) {
      const ProbeSite& described = plan_.plan.sites[i];
      if (described.kind == SiteKind::kOutput) {
        AddOuterProducts(plan_.sites[i], tape, OutputSignal(request, clean), memory_, gradient);
        continue;
      }
      const at::Tensor estimator =
          request.learned
              ? at::from_blob(const_cast<float*>(request.estimators[i].data()),
                              {clean.error.size(1), static_cast<std::int64_t>(described.columns)})
              : at::Tensor();
      MeasureSite(plan_.sites[i], described, i, clean, request, estimator, memory_, gradient,
                  sums.sites[i]);
    }
  }

  std::shared_ptr<const Dataset> data_;
  const Objective* objective_;
  NetworkEvaluator evaluator_;
  ParameterMemory memory_;
  std::size_t layout_size_;
  TorchPlan plan_;
  Keep keep_;
  std::vector<std::int32_t> repeated_;
};

}  // namespace

Result<std::unique_ptr<ActivationEvaluator>> MakeActivationNetwork(
    std::unique_ptr<ScriptModel> model, std::shared_ptr<const Dataset> data,
    const Objective* objective) {
  auto network = std::make_unique<ActivationNetwork>(std::move(model), std::move(data), objective);
  NDCAO_TRY(network->Plan());
  return std::unique_ptr<ActivationEvaluator>(std::move(network));
}

}  // namespace ndcao
