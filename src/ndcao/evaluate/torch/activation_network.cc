#include "ndcao/evaluate/torch/activation_network.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "ndcao/evaluate/torch/loss_head.h"
#include "ndcao/evaluate/torch/network_evaluator.h"
#include "ndcao/evaluate/torch/runtime.h"
#include "ndcao/evaluate/torch/site_probe.h"
#include "ndcao/evaluate/torch/slot_lesson.h"

namespace ndcao {
namespace {

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
    const std::uint32_t examples = data_->train().size();
    const auto record = [&](std::vector<std::uint32_t> chosen, OperationTape& tape) {
      for (std::uint32_t& i : chosen) i %= examples;
      return RecordOn(chosen, tape);
    };
    NDCAO_ASSIGN(plan_, MakeProbePlan(record, {memory_, layout,
                                               static_cast<std::uint64_t>(data_->classes())}));
    return Ok();
  }

  const ProbePlan& plan() const override { return plan_.plan; }
  Evaluator& network() override { return evaluator_; }

  void ReadParameters(std::span<const float> shared) override {
    evaluator_.model().ReadFrom(shared);
    memory_ = ParameterMemory(evaluator_.parameters());
  }

  Status Measure(const ProbeRequest& request, ProbeSums& sums) override {
    Begin(request, ProbePart::kForward);
    NDCAO_TRY(RecordOn(request.examples, tape_));
    if (tape_.operations().size() != plan_.operations) {
      return Invalid(
          "--probe activations: the network's operations depend on the values of its input; use "
          "--probe weights");
    }
    return CatchTorch("probing activations", [&] {
      const c10::InferenceMode guard;
      MeasureSites(request, tape_, sums);
      tape_.Clear();
    });
  }

  Result<std::function<Status()>> Products(std::span<const std::uint32_t> examples) override {
    struct Product {
      WeightCall call;
      at::Tensor signal;
    };
    auto tape = std::make_shared<OperationTape>();
    NDCAO_TRY(RecordOn(examples, *tape));
    std::vector<Product> products;
    at::Tensor gradient;
    NDCAO_TRY(CatchTorch("weight-gradient products", [&] {
      const c10::InferenceMode guard;
      gradient = at::zeros({static_cast<std::int64_t>(layout_size_)});
      for (std::size_t i = 0; i < plan_.sites.size(); ++i) {
        const at::Tensor made_up = at::full({static_cast<std::int64_t>(examples.size()),
                                             static_cast<std::int64_t>(plan_.plan.sites[i].units)},
                                            0.1f);
        SignalTaker taker;
        taker.whole = [&](std::size_t c, const at::Tensor& signal) {
          products.push_back({plan_.sites[i].calls[c].call, signal});
        };
        SignalsOfCalls(plan_.sites[i], *tape, AtPoints(plan_.sites[i], made_up), taker);
      }
    }));
    return std::function<Status()>([this, tape, products, gradient] {
      return CatchTorch("weight-gradient products", [&] {
        const c10::InferenceMode guard;
        for (const auto& [call, signal] : products) {
          AddOuterProduct(call, tape->operations()[call.operation], signal, memory_, gradient);
        }
      });
    });
  }

 private:
  static void Begin(const ProbeRequest& request, ProbePart part) {
    if (request.on_part) request.on_part(part);
  }

  // The input is cut out of its memory before the model runs: that is none of its operations.
  std::function<at::Tensor()> Model() {
    return [this, input = evaluator_.input()] { return evaluator_.model().Forward(input); };
  }

  Status RecordOn(std::span<const std::uint32_t> examples, OperationTape& tape) {
    NDCAO_TRY(evaluator_.Select(examples));
    return CatchTorch("forward pass", [&] {
      const c10::InferenceMode guard;
      // Of one example a view may be what is a copy of more.
      const Spent& spent = examples.size() > 1 ? plan_.spent : Spent();
      tape = OperationTape::Record(Model(), plan_.keep, spent, std::move(tape));
    });
  }

  void MeasureSites(const ProbeRequest& request, const OperationTape& tape, ProbeSums& sums) {
    const std::span<const std::int32_t> labels = evaluator_.labels();
    const auto examples = static_cast<std::uint64_t>(request.examples.size());
    LossHead head(objective_, data_->classes(), plan_.plan.features);
    CleanPass clean;
    clean.tape = &tape;
    clean.losses = head.Losses(tape.output(), labels);
    clean.error = LossHead::Responses(head.AtOutputs(request, tape.output(), labels), clean.losses);
    std::uint64_t forwards = examples;
    const ChangedForward changed = [&](std::span<const Change> changes,
                                       std::span<const std::size_t> watch) {
      forwards += examples;
      Begin(request, ProbePart::kForward);
      ChangedPass pass = plan_.plan.whole_passes.empty() ? tape.Recompute(changes, watch)
                                                         : ForwardWith(Model(), changes, watch);
      Begin(request, ProbePart::kPerturb);
      return pass;
    };
    Begin(request, ProbePart::kLesson);
    SlotLesson(plan_, memory_, layout_size_, 0)
        .Learn(
            request, clean,
            [&](std::size_t, const SiteProbe& prober, std::uint32_t k) {
              Begin(request, ProbePart::kPerturb);
              ProbeAnswer answer{prober.Take(k, changed), {}};
              Begin(request, ProbePart::kForward);
              if (answer.probe.output.defined()) {
                answer.losses = head.Losses(answer.probe.output, labels);
              }
              Begin(request, ProbePart::kLesson);
              return answer;
            },
            [&] {
              return head.OutputSignal(request, tape.output(), labels, clean.losses, clean.error);
            },
            sums);
    sums.forwards = forwards;
  }

  std::shared_ptr<const Dataset> data_;
  const Objective* objective_;
  NetworkEvaluator evaluator_;
  ParameterMemory memory_;
  std::size_t layout_size_;
  TorchPlan plan_;
  OperationTape tape_;  ///< Of the last measurement, cleared: for its memory.
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
