#include "ndcao/evaluate/activation_stage.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "ndcao/evaluate/torch/loss_head.h"
#include "ndcao/evaluate/torch/runtime.h"
#include "ndcao/evaluate/torch/slot_lesson.h"
#include "ndcao/evaluate/torch/stage_model.h"
#include "ndcao/evaluate/torch/torch_stage.h"

namespace ndcao {
namespace {

// Key of the made-up examples on which a stage looks for its sites.
constexpr std::uint64_t kPlanSeed = 1;
constexpr std::int64_t kPlanExamples = PlanPasses::kMore;

class TorchActivationStage : public ActivationStage {
 public:
  TorchActivationStage(std::unique_ptr<TorchStage> stage, const StageModel& model,
                       std::size_t first_site, const Objective* objective)
      : stage_(std::move(stage)),
        memory_(stage_->parameters()),
        first_site_(first_site),
        inputs_(static_cast<std::int64_t>(ValuesOf(model.input_shape))),
        outputs_(model.classes),
        objective_(objective) {}

  Status Plan() {
    stage_->model().FixOperations();
    const at::Tensor made_up = Signs(kPlanSeed, 0, 0, 0, {kPlanExamples, inputs_});
    const auto record = [&](const std::vector<std::uint32_t>& examples, OperationTape& tape) {
      const std::vector<std::int64_t> rows(examples.begin(), examples.end());
      const at::Tensor chosen = made_up.index_select(0, at::tensor(rows, at::kLong));
      return Record(Values(chosen), input_, tape);
    };
    const PassEnd end = objective_ == nullptr ? PassEnd::kCut : PassEnd::kOutputs;
    NDCAO_ASSIGN(plan_, MakeProbePlan(record, {memory_, stage_->model().layout(),
                                               static_cast<std::uint64_t>(outputs_), end}));
    for (std::size_t i = 0; i < plan_.sites.size(); ++i) {
      if (plan_.plan.sites[i].kind != SiteKind::kOutput) probed_.push_back(i);
    }
    if (objective_ != nullptr) head_.emplace(objective_, outputs_, plan_.plan.features);
    return Ok();
  }

  const ProbePlan& plan() const override { return plan_.plan; }
  std::uint32_t probed_sites() const override { return static_cast<std::uint32_t>(probed_.size()); }
  std::uint64_t inputs() const override { return static_cast<std::uint64_t>(inputs_); }
  std::span<float> parameters() override { return stage_->parameters(); }
  Result<std::span<const float>> Forward(std::span<const float> input) override {
    return stage_->Forward(input);
  }

  Result<std::span<const float>> Begin(const ProbeRequest& request, std::span<const float> input,
                                       std::span<const std::int32_t> labels) override {
    Slot slot;
    slot.labels.assign(labels.begin(), labels.end());
    NDCAO_TRY(Record(input, slot.input, slot.tape));
    if (slot.tape.operations().size() != plan_.operations) {
      return Invalid("the stage's operations depend on the values of its input");
    }
    NDCAO_TRY(CatchTorch("probing activations", [&] {
      const c10::InferenceMode guard;
      slot.probes.resize(probed_.size() * request.probes);
      if (head_) BeginLosses(request, slot);
    }));
    if (!head_) {
      NDCAO_ASSIGN(answer_, stage_->Rows(slot.tape.output(), slot.input.size(0)));
    }
    slots_.insert_or_assign(KeyOf(request), std::move(slot));
    return Values(answer_);
  }

  Result<std::span<const float>> Copy(const ProbeRequest& request, std::uint32_t i) override {
    Slot& slot = slots_.at(KeyOf(request));
    at::Tensor output;
    NDCAO_TRY(CatchTorch("probing activations", [&] {
      const c10::InferenceMode guard;
      const ChangedForward changed = [&](std::span<const Change> changes,
                                         std::span<const std::size_t> watch) {
        return plan_.plan.whole_passes.empty()
                   ? slot.tape.Recompute(changes, watch)
                   : ForwardWith([&] { return stage_->model().Forward(slot.input); }, changes,
                                 watch);
      };
      const SiteProbe prober = Lesson().ProbeOf(probed_[i / request.probes], slot.tape, request);
      slot.probes[i] = prober.Take(i % request.probes, changed);
      output = std::exchange(slot.probes[i].output, at::Tensor());
      if (!output.defined()) output = slot.tape.output();
    }));
    return Answer(output, slot);
  }

  Result<std::span<const float>> Pass(const ProbeRequest& request,
                                      std::span<const float> input) override {
    const auto begun = slots_.find(KeyOf(request));
    if (begun == slots_.end()) return Invalid("a copy of a slot that has not begun");
    const Slot& slot = begun->second;
    NDCAO_ASSIGN(const at::Tensor rows, stage_->Input(input));
    at::Tensor output;
    NDCAO_TRY(CatchTorch("forward pass", [&] {
      const c10::InferenceMode guard;
      output = stage_->model().Forward(rows);
    }));
    return Answer(output, slot);
  }

  Status Learn(const ProbeRequest& request, const SlotLosses& losses, ProbeSums& sums) override {
    const auto node = slots_.extract(KeyOf(request));
    if (node.empty()) return Failed("losses of a slot that has not begun");
    NDCAO_TRY(CatchTorch("learning from losses", [&] {
      const c10::InferenceMode guard;
      LearnSlot(request, losses, node.mapped(), sums);
    }));
    return Ok();
  }

  void Forget() override { slots_.clear(); }

 private:
  /// A slot on its way, from its clean pass until its losses are known.
  struct Slot {
    at::Tensor input;
    OperationTape tape;
    std::vector<Probe> probes;  // without their outputs
    // In the last stage:
    std::vector<std::int32_t> labels;
    at::Tensor error;
    at::Tensor output_signal;
  };
  using Key = std::pair<std::uint64_t, std::uint64_t>;

  static Key KeyOf(const ProbeRequest& request) { return {request.step, request.first}; }
  static std::span<const float> Values(const at::Tensor& tensor) {
    return {tensor.data_ptr<float>(), static_cast<std::size_t>(tensor.numel())};
  }

  SlotLesson Lesson() { return {plan_, memory_, stage_->parameters().size(), first_site_}; }

  Status Record(std::span<const float> values, at::Tensor& input, OperationTape& tape) {
    NDCAO_ASSIGN(input, stage_->Input(values));
    return CatchTorch("forward pass", [&] {
      const c10::InferenceMode guard;
      tape = OperationTape::Record([&] { return stage_->model().Forward(input); }, plan_.keep);
    });
  }

  void BeginLosses(const ProbeRequest& request, Slot& slot) {
    const at::Tensor& outputs = slot.tape.output();
    const at::Tensor losses = head_->Losses(outputs, slot.labels);
    const at::Tensor there = head_->AtOutputs(request, outputs, slot.labels);
    slot.error = LossHead::Responses(there, losses);
    slot.output_signal = head_->OutputSignal(request, outputs, slot.labels, losses, slot.error);
    answer_ = at::cat({losses.unsqueeze(0), there});
  }

  // Activations for the next stage, or, in the last, the losses there.
  Result<std::span<const float>> Answer(const at::Tensor& output, const Slot& slot) {
    NDCAO_ASSIGN(answer_, stage_->Rows(output, slot.input.size(0)));
    if (head_) {
      NDCAO_TRY(CatchTorch("losses", [&] { answer_ = head_->Losses(answer_, slot.labels); }));
    }
    return Values(answer_);
  }

  void LearnSlot(const ProbeRequest& request, const SlotLosses& losses, const Slot& slot,
                 ProbeSums& sums) {
    const std::int64_t examples = slot.input.size(0);
    const auto rows = [examples](std::span<const float> values) {
      return at::from_blob(const_cast<float*>(values.data()),
                           {static_cast<std::int64_t>(values.size()) / examples, examples});
    };
    CleanPass clean;
    clean.tape = &slot.tape;
    clean.losses = rows(losses.clean)[0];
    clean.error = slot.error;
    if (!losses.at_outputs.empty()) {
      clean.error = LossHead::Responses(rows(losses.at_outputs), clean.losses);
    }
    const auto answer = [&](std::size_t site, const SiteProbe&, std::uint32_t k) {
      const auto place = std::lower_bound(probed_.begin(), probed_.end(), site) - probed_.begin();
      const std::size_t copy = static_cast<std::size_t>(place) * request.probes + k;
      const at::Tensor theirs = rows(losses.copies)[static_cast<std::int64_t>(copy)];
      return ProbeAnswer{slot.probes[copy], theirs};
    };
    Lesson().Learn(
        request, clean, answer, [&] { return slot.output_signal; }, sums);
  }

  std::unique_ptr<TorchStage> stage_;
  ParameterMemory memory_;
  const std::size_t first_site_;
  const std::int64_t inputs_;
  const std::int64_t outputs_;
  const Objective* objective_;
  TorchPlan plan_;
  std::vector<std::size_t> probed_;  // of the plan's sites
  std::optional<LossHead> head_;
  std::map<Key, Slot> slots_;
  at::Tensor input_;  // of the examples made up
  at::Tensor answer_;
};

}  // namespace

Result<std::unique_ptr<ActivationStage>> MakeActivationStage(const StageModel& model,
                                                             std::size_t first_site,
                                                             const Objective* objective) {
  NDCAO_ASSIGN(auto stage, TorchStage::Create(model));
  auto made =
      std::make_unique<TorchActivationStage>(std::move(stage), model, first_site, objective);
  NDCAO_TRY(made->Plan());
  return std::unique_ptr<ActivationStage>(std::move(made));
}

}  // namespace ndcao
