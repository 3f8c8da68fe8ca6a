#include "ndcao/evaluate/torch/local_tail.h"

#include <ATen/ATen.h>

#include <map>
#include <set>
#include <unordered_map>
#include <utility>

namespace ndcao {
namespace {

using Key = const c10::TensorImpl*;
Key KeyOf(const at::Tensor& tensor) { return tensor.unsafeGetTensorImpl(); }

/// Signals of the tensors inside a tail, by tensor.
class Signals {
 public:
  at::Tensor Take(const at::Tensor& tensor) {
    auto node = signals_.extract(KeyOf(tensor));
    return node.empty() ? at::Tensor() : node.mapped();
  }
  void Add(const at::Tensor& tensor, const at::Tensor& signal) {
    const auto [place, fresh] = signals_.try_emplace(KeyOf(tensor), signal);
    if (!fresh) place->second = place->second + signal;
  }
  /// A tensor to add parts to, zero at first.
  at::Tensor& Parts(const at::Tensor& tensor) {
    at::Tensor& sum = signals_[KeyOf(tensor)];
    if (!sum.defined()) sum = at::zeros_like(tensor, at::MemoryFormat::Contiguous);
    return sum;
  }

 private:
  std::unordered_map<Key, at::Tensor> signals_;
};

using PullOne = void (*)(const Operation&, const at::Tensor& signal, Signals&);

void PullRelu(const Operation& op, const at::Tensor& signal, Signals& out) {
  out.Add(op.tensor(0), at::threshold_backward(signal, op.output(), 0));
}

void PullClampMin(const Operation& op, const at::Tensor& signal, Signals& out) {
  out.Add(op.tensor(0), at::threshold_backward(signal, op.tensor(0), 0));
}

void PullMaximum(const Operation& op, const at::Tensor& signal, Signals& out) {
  const at::Tensor first = signal * op.tensor(0).ge(op.tensor(1));
  out.Add(op.tensor(0), first);
  out.Add(op.tensor(1), signal - first);
}

void PullSlice(const Operation& op, const at::Tensor& signal, Signals& out) {
  if (op.output().sizes() == op.tensor(0).sizes()) return out.Add(op.tensor(0), signal);
  const auto bound = [&](std::size_t i) -> c10::optional<std::int64_t> {
    if (op.inputs[i].isNone()) return c10::nullopt;
    return op.inputs[i].toInt();
  };
  at::slice(out.Parts(op.tensor(0)), op.inputs[1].toInt(), bound(2), bound(3), op.inputs[4].toInt())
      .add_(signal);
}

void PullMaxPool(const Operation& op, const at::Tensor& signal, Signals& out) {
  const auto list = [&](std::size_t i) { return op.inputs[i].toIntVector(); };
  const bool ceil = op.inputs[5].toBool();
  const auto [values, winners] =
      at::max_pool2d_with_indices(op.tensor(0), list(1), list(2), list(3), list(4), ceil);
  out.Add(op.tensor(0), at::max_pool2d_with_indices_backward(signal, op.tensor(0), list(1), list(2),
                                                             list(3), list(4), ceil, winners));
}

void PullSum(const Operation& op, const at::Tensor& signal, Signals& out) {
  if (op.tensor(0).sizes() == signal.sizes()) out.Add(op.tensor(0), signal);
  const auto factor = op.inputs[2].toScalar();
  if (op.tensor(1).sizes() != signal.sizes()) return;
  out.Add(op.tensor(1), factor.to<double>() == 1 ? signal : signal * factor);
}

void PullMean(const Operation& op, const at::Tensor& signal, Signals& out) {
  const at::Tensor& input = op.tensor(0);
  at::Tensor wide = signal;
  if (!op.inputs[2].toBool()) {
    std::set<std::int64_t> reduced;
    for (const std::int64_t d : op.inputs[1].toIntVector()) {
      reduced.insert(d < 0 ? d + input.dim() : d);
    }
    for (const std::int64_t d : reduced) wide = wide.unsqueeze(d);
  }
  const double count =
      static_cast<double>(input.numel()) / static_cast<double>(op.output().numel());
  out.Add(input, (wide * (1 / count)).expand(input.sizes()));
}

void PullThrough(const Operation& op, const at::Tensor& signal, Signals& out) {
  out.Add(op.tensor(0), signal);
}

enum class Kind { kRectifier, kSelection, kSum, kMean };
struct Rule {
  Kind kind;
  PullOne pull;
  bool (*applies)(const Operation&) = [](const Operation&) { return true; };
};

bool OfTensors(const Operation& op) { return op.has_tensor(1); }
bool SameShapes(const Operation& op) {
  return op.tensor(0).sizes() == op.output().sizes() && op.tensor(1).sizes() == op.output().sizes();
}
bool Idle(const Operation& op) { return !op.inputs[2].toBool(); }
bool OverDimensions(const Operation& op) {
  return op.overload() == "dim" && op.inputs.size() == 4 && op.inputs[1].isIntList() &&
         op.inputs[3].isNone();
}

const std::map<std::string, Rule>& Rules() {
  static const auto& rules = *new std::map<std::string, Rule>{
      {"aten::relu", {Kind::kRectifier, PullRelu}},
      {"aten::clamp_min",
       {Kind::kRectifier, PullClampMin,
        [](const Operation& op) {
          return op.overload().empty() && op.inputs[1].toScalar().to<double>() == 0;
        }}},
      {"aten::maximum", {Kind::kSelection, PullMaximum, SameShapes}},
      {"aten::slice", {Kind::kSelection, PullSlice}},
      {"aten::max_pool2d", {Kind::kSelection, PullMaxPool}},
      {"aten::dropout", {Kind::kSelection, PullThrough, Idle}},
      {"aten::feature_dropout", {Kind::kSelection, PullThrough, Idle}},
      {"aten::add", {Kind::kSum, PullSum, OfTensors}},
      {"aten::mean", {Kind::kMean, PullMean, OverDimensions}}};
  return rules;
}

const Rule* RuleOf(const Operation& operation) {
  const auto found = Rules().find(operation.name());
  if (found == Rules().end() || !operation.output().defined()) return nullptr;
  return found->second.applies(operation) ? &found->second : nullptr;
}

}  // namespace

LocalTail FindTail(const OperationTape& tape, std::size_t begin) {
  const auto& operations = tape.operations();
  LocalTail tail{begin, begin, {}, false};
  std::set<Key> inside = {KeyOf(operations[begin].output())};
  std::vector<std::size_t> path;
  std::map<Key, std::size_t> last_use;
  for (std::size_t i = begin + 1; i < operations.size(); ++i) {
    for (const c10::IValue& input : operations[i].inputs) {
      VisitTensors(input, [&](const at::Tensor& t) { last_use[KeyOf(t)] = i; });
    }
  }
  bool rectified = false;
  for (std::size_t i = begin + 1; i < operations.size(); ++i) {
    const at::Tensor output = operations[i].output();
    bool uses = false;
    bool broadcast = false;
    for (const c10::IValue& input : operations[i].inputs) {
      VisitTensors(input, [&](const at::Tensor& t) {
        if (!inside.contains(KeyOf(t))) return;
        uses = true;
        broadcast = broadcast || (output.defined() && t.sizes() != output.sizes());
      });
    }
    if (!uses) continue;
    const Rule* rule = RuleOf(operations[i]);
    if (rule == nullptr || inside.contains(KeyOf(output))) break;
    if (rule->kind == Kind::kSum && broadcast) break;
    path.push_back(i);
    inside.insert(KeyOf(output));
    if (rule->kind == Kind::kRectifier) rectified = true;
    if (rule->kind == Kind::kSum || rule->kind == Kind::kMean) rectified = false;
    // All of the tail flows through this result if nothing else in it is used later.
    bool closed = true;
    for (const Key key : inside) {
      if (key == KeyOf(output)) continue;
      closed = closed && (last_use[key] <= i) && key != KeyOf(tape.output());
    }
    if (closed) tail = {begin, i, path, rectified};
  }
  return tail;
}

at::Tensor PullBack(const OperationTape& tape, const LocalTail& tail, at::Tensor signal) {
  if (tail.operations.empty()) return signal;
  Signals signals;
  signals.Add(tape.operations()[tail.point].output(), signal);
  for (auto i = tail.operations.rbegin(); i != tail.operations.rend(); ++i) {
    const Operation& operation = tape.operations()[*i];
    const at::Tensor at_output = signals.Take(operation.output());
    if (at_output.defined()) Rules().at(operation.name()).pull(operation, at_output, signals);
  }
  return signals.Take(tape.operations()[tail.begin].output());
}

}  // namespace ndcao
