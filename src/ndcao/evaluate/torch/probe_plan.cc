#include "ndcao/evaluate/torch/probe_plan.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "ndcao/evaluate/torch/runtime.h"
#include "ndcao/evaluate/torch/spent_values.h"
#include "ndcao/evaluate/torch/unit_cells.h"

namespace ndcao {
namespace {

constexpr std::int64_t kFew = PlanPasses::kFew;
constexpr std::uint64_t kMostOutputs = 16;

class Planner {
 public:
  Planner(const PlanPasses& passes, const PlanRequest& request)
      : passes_(passes),
        memory_(request.memory),
        layout_(request.layout),
        outputs_(request.outputs),
        end_(request.end) {}

  Result<TorchPlan> Make() {
    result_.operations = operations().size();
    result_.plan.whole_passes = passes_.three.obstacle();
    result_.plan.features = std::min(outputs_, kMostOutputs);
    if (passes_.other_first.operations().size() != operations().size() ||
        passes_.five.operations().size() != operations().size()) {
      return Invalid("its operations depend on the values of its input");
    }
    FindCalls();
    NDCAO_TRY(FindPoints());
    Group();
    ListUnprobed();
    if (!result_.plan.whole_passes.empty()) {
      KeepInputs();
    } else {
      FindSpentValues();
    }
    return std::move(result_);
  }

 private:
  const std::vector<Operation>& operations() const { return passes_.three.operations(); }

  std::size_t TensorAt(std::uint64_t offset) const {
    const auto& tensors = layout_.tensors();
    const auto after = std::upper_bound(
        tensors.begin(), tensors.end(), offset,
        [](std::uint64_t value, const Tensor& tensor) { return value < tensor.offset; });
    return static_cast<std::size_t>(after - tensors.begin()) - 1;
  }

  // Notes every other use of parameters, too: they rule the tensor out.
  void FindCalls() {
    for (std::size_t i = 0; i < operations().size(); ++i) {
      const Operation& operation = operations()[i];
      const auto call = FindWeightCall(operation, i, memory_);
      if (call) calls_.push_back({*call, {}});
      const bool view = operation.output().defined() &&
                        operation.output().scalar_type() == at::kFloat &&
                        operation.output().numel() > 0 && memory_.Holds(operation.output());
      for (std::size_t input = 0; input < operation.inputs.size(); ++input) {
        VisitTensors(operation.inputs[input], [&](const at::Tensor& t) {
          if (t.scalar_type() != at::kFloat || t.numel() == 0 || !memory_.Holds(t)) return;
          const std::size_t tensor = TensorAt(memory_.Offset(t));
          const bool known = call && (call->weight == input || call->bias == input);
          used_.insert(tensor);
          if (!known && !view) reasons_.try_emplace(tensor, "used by " + operation.name());
        });
      }
    }
  }

  Status FindPoints() {
    std::vector<SiteCall> kept;
    for (SiteCall& site : calls_) {
      // Where tensors are written into, what a tail was given may be gone.
      site.tail = passes_.three.obstacle().empty() ? FindTail(passes_.three, site.call.operation)
                                                   : LocalTail{{{site.call.operation, false}}, {}};
      // No gradient comes of it, so the tensors' other calls are all.
      if (site.tail.points.empty()) {
        for (const std::size_t tensor : TensorsOf(site)) idle_.insert(tensor);
        continue;
      }
      bool coupled = false;
      bool found = true;
      for (const TailPoint& point : site.tail.points) {
        const auto axis = FindAxis(passes_, point.operation, coupled);
        found = found && axis;
        if (axis) axes_.try_emplace(point.operation, *axis);
      }
      if (coupled) {
        return Invalid(fmt::format(
            "{} of '{}' gives an example other activations when the others in its batch change; "
            "normalise with stored statistics (--batch-norm eval) or train with --probe weights",
            operations()[site.call.operation].name(), NameOf(site)));
      }
      if (!found) {
        Exclude(site, "its activations have no dimension for the examples");
        continue;
      }
      kept.push_back(site);
    }
    calls_ = std::move(kept);
    // A tensor that is used in two ways, one of them unknown, is left out as a whole.
    for (const SiteCall& site : calls_) {
      for (const std::size_t tensor : TensorsOf(site)) {
        if (reasons_.contains(tensor)) Exclude(site, reasons_.at(tensor));
      }
    }
    std::erase_if(calls_, [&](const SiteCall& site) {
      const auto tensors = TensorsOf(site);
      return std::all_of(tensors.begin(), tensors.end(),
                         [&](std::size_t tensor) { return reasons_.contains(tensor); });
    });
    return Ok();
  }

  std::vector<std::size_t> TensorsOf(const SiteCall& site) const {
    std::vector<std::size_t> tensors;
    const Operation& operation = operations()[site.call.operation];
    for (const auto& input : {site.call.weight, site.call.bias}) {
      if (input) tensors.push_back(TensorAt(memory_.Offset(operation.tensor(*input))));
    }
    return tensors;
  }

  std::string NameOf(const SiteCall& site) const {
    return layout_.tensors()[TensorsOf(site).front()].layer();
  }

  void Exclude(const SiteCall& site, const std::string& reason) {
    for (const std::size_t tensor : TensorsOf(site)) reasons_.try_emplace(tensor, reason);
  }

  // Calls that share weights or a point are one site.
  void Group() {
    std::vector<std::size_t> group(calls_.size());
    std::iota(group.begin(), group.end(), 0);
    const auto root = [&](std::size_t i) {
      while (group[i] != i) i = group[i];
      return i;
    };
    std::map<std::size_t, std::size_t> by_point;
    std::map<std::size_t, std::size_t> by_weight;
    for (std::size_t i = 0; i < calls_.size(); ++i) {
      const auto join = [&](std::map<std::size_t, std::size_t>& first, std::size_t key) {
        const auto [found, fresh] = first.try_emplace(key, i);
        const std::size_t a = root(found->second);
        const std::size_t b = root(i);
        if (!fresh) group[std::max(a, b)] = std::min(a, b);
      };
      for (const TailPoint& point : calls_[i].tail.points) join(by_point, point.operation);
      if (calls_[i].call.weight) join(by_weight, TensorsOf(calls_[i]).front());
    }
    std::map<std::size_t, std::vector<SiteCall>> sites;
    for (std::size_t i = 0; i < calls_.size(); ++i) sites[root(i)].push_back(calls_[i]);
    for (auto& [first, calls] : sites) AddSite(std::move(calls));
  }

  void AddSite(std::vector<SiteCall> calls) {
    TorchSite site;
    std::map<std::size_t, bool> points;  // and whether they are rectified
    std::set<std::size_t> tail;
    for (const SiteCall& call : calls) {
      for (const TailPoint& point : call.tail.points) points[point.operation] = point.rectified;
      tail.insert(call.tail.operations.begin(), call.tail.operations.end());
    }
    for (const auto& [operation, rectified] : points) {
      const at::Tensor result = operations()[operation].output();
      site.points.push_back({operation, axes_.at(operation),
                             static_cast<std::uint64_t>(result.numel() / kFew), rectified});
    }
    site.calls = std::move(calls);
    site.tail.assign(tail.begin(), tail.end());
    site.inputs = InputsOf(site);
    result_.plan.sites.push_back(Describe(site));
    result_.sites.push_back(std::move(site));
  }

  // Where a weight or its bias is used without the other, too, there is no single input.
  std::vector<InputWeight> InputsOf(const TorchSite& site) const {
    std::map<std::size_t, std::set<std::vector<std::size_t>>> uses;  // by tensor
    for (const SiteCall& call : calls_) {
      for (const std::size_t tensor : TensorsOf(call)) uses[tensor].insert(TensorsOf(call));
    }
    std::vector<WeightCall> calls;
    for (const SiteCall& call : site.calls) {
      const std::vector<std::size_t> tensors = TensorsOf(call);
      const bool alone = std::all_of(tensors.begin(), tensors.end(), [&](std::size_t tensor) {
        return !reasons_.contains(tensor) && uses[tensor].size() == 1;
      });
      if (alone) calls.push_back(call.call);
    }
    return FindInputWeights(passes_.three, calls, kFew);
  }

  ProbeSite Describe(const TorchSite& site) const {
    ProbeSite shown;
    std::set<std::size_t> tensors;
    std::vector<std::string> names;
    for (const SiteCall& call : site.calls) {
      for (const std::size_t tensor : TensorsOf(call)) {
        if (!reasons_.contains(tensor)) tensors.insert(tensor);
      }
      if (std::find(names.begin(), names.end(), NameOf(call)) == names.end()) {
        names.push_back(NameOf(call));
      }
    }
    shown.tensors.assign(tensors.begin(), tensors.end());
    shown.name = fmt::format("{}", fmt::join(names, "+"));
    const Operation& first = operations()[site.calls.front().call.operation];
    shown.operation = first.name().substr(first.name().find("::") + 2);
    if (site.calls.size() > 1) shown.operation += fmt::format(" x {}", site.calls.size());
    for (const ProbePoint& point : site.points) shown.units += point.units;
    shown.cells = CellsOf(site);
    shown.columns = shown.cells.empty()
                        ? shown.units
                        : 1 + *std::max_element(shown.cells.begin(), shown.cells.end());
    for (const InputWeight& input : site.inputs) {
      shown.inputs.push_back(input.width);
      shown.calls = std::max<std::uint64_t>(shown.calls, input.calls.size());
    }
    shown.kind = KindOf(site, shown);
    if (shown.kind == SiteKind::kWeights) {  // whose probes move all of a cell alike
      shown.cells.clear();
      shown.columns = shown.units;
    }
    shown.rerun =
        result_.plan.whole_passes.empty()
            ? static_cast<double>(passes_.three.Dependents(site.points.front().operation)) /
                  static_cast<double>(operations().size())
            : 1;
    if (shown.kind == SiteKind::kOutput) shown.rerun = 0;
    return shown;
  }

  std::vector<std::uint32_t> CellsOf(const TorchSite& site) const {
    std::vector<PointShape> shapes;
    for (const ProbePoint& point : site.points) {
      PointShape shape;
      shape.sizes = point.axis.RowSizes(operations()[point.operation].output().sizes());
      const bool channels_first = site.calls.front().call.role == WeightRole::kConvolution;
      shape.feature = channels_first || shape.sizes.empty() ? 0 : shape.sizes.size() - 1;
      shapes.push_back(std::move(shape));
    }
    return ShareCells(shapes);
  }

  SiteKind KindOf(const TorchSite& site, const ProbeSite& shown) const {
    const at::Tensor result = operations()[site.points.front().operation].output();
    if (end_ == PassEnd::kOutputs && site.points.size() == 1 &&
        result.unsafeGetTensorImpl() == passes_.three.output().unsafeGetTensorImpl()) {
      return SiteKind::kOutput;
    }
    std::uint64_t weights = 0;
    for (const std::size_t tensor : shown.tensors) weights += layout_.tensors()[tensor].size;
    const SiteCall& only = site.calls.front();
    const bool plain = site.calls.size() == 1 && site.points.size() == 1 &&
                       only.call.role == WeightRole::kConvolution &&
                       operations()[only.call.operation].tensor(0).size(1) ==
                           operations()[only.call.operation].tensor(1).size(1) &&
                       operations()[only.call.operation].tensor(0).size(0) == kFew;
    return plain && weights < shown.columns ? SiteKind::kWeights : SiteKind::kActivations;
  }

  void KeepInputs() {
    for (const TorchSite& site : result_.sites) {
      for (const SiteCall& call : site.calls) {
        result_.keep[call.call.operation].push_back(call.call.input);
      }
    }
  }

  void FindSpentValues() {
    TapeUses uses;
    for (std::size_t i = 0; i < result_.sites.size(); ++i) {
      const TorchSite& site = result_.sites[i];
      std::vector<std::size_t>& together = uses.changes.emplace_back();
      if (result_.plan.sites[i].kind == SiteKind::kWeights) {
        together = {site.calls.front().call.operation};
      }
      for (const ProbePoint& point : site.points) together.push_back(point.operation);
      uses.tails.insert(uses.tails.end(), site.tail.begin(), site.tail.end());
      for (const SiteCall& call : site.calls) uses.calls.push_back(call.call);
    }
    result_.spent = FindSpent(passes_.three, uses, memory_);
  }

  void ListUnprobed() {
    std::set<std::size_t> probed;
    for (const ProbeSite& site : result_.plan.sites) {
      probed.insert(site.tensors.begin(), site.tensors.end());
    }
    for (std::size_t i = 0; i < layout_.tensors().size(); ++i) {
      if (probed.contains(i)) continue;
      const auto reason = reasons_.find(i);
      result_.plan.unprobed.push_back(
          {i, reason != reasons_.end() ? reason->second
              : idle_.contains(i)      ? "what it makes does not reach the outputs"
              : used_.contains(i)      ? "used in a way that has no local outer product"
                                       : "no operation uses it"});
    }
  }

  const PlanPasses& passes_;
  const ParameterMemory& memory_;
  const Layout& layout_;
  std::uint64_t outputs_;
  PassEnd end_;
  TorchPlan result_;
  std::vector<SiteCall> calls_;
  std::map<std::size_t, ExampleAxis> axes_;     // by operation
  std::set<std::size_t> used_;                  // tensors
  std::set<std::size_t> idle_;                  // tensors that have a call of no consequence
  std::map<std::size_t, std::string> reasons_;  // why a tensor is not probed
};

}  // namespace

Result<TorchPlan> MakeProbePlan(const RecordPass& record, const PlanRequest& request) {
  PlanPasses passes;
  NDCAO_TRY(record({0, 1, 2}, passes.three));
  NDCAO_TRY(record({3, 1, 2}, passes.other_first));
  NDCAO_TRY(record({0, 1, 2, 3, 4}, passes.five));
  Result<TorchPlan> made = Failed("");
  NDCAO_TRY(CatchTorch("looking for places to probe", [&] {
    const c10::InferenceMode guard;
    made = Planner(passes, request).Make();
  }));
  if (!made.ok()) return made.error().Context("--probe activations");
  return made;
}

}  // namespace ndcao
