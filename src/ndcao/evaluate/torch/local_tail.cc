#include "ndcao/evaluate/torch/local_tail.h"

#include <ATen/ATen.h>

#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "ndcao/evaluate/torch/local_kernels.h"
#include "ndcao/evaluate/torch/tail_signals.h"

namespace ndcao {
namespace {

using Key = const c10::TensorImpl*;
Key KeyOf(const at::Tensor& tensor) { return tensor.unsafeGetTensorImpl(); }

using PullOne = void (*)(const Operation&, const at::Tensor& signal, TailSignals&);

/// The signal, where `values` are above 0.
at::Tensor Rectified(const at::Tensor& signal, const at::Tensor& values) {
  const bool plain = signal.is_contiguous() && values.is_contiguous() &&
                     signal.scalar_type() == at::kFloat && values.scalar_type() == at::kFloat;
  if (!plain || signal.sizes() != values.sizes()) {
    return at::threshold_backward(signal, values, 0);
  }
  at::Tensor back = at::empty(signal.sizes());
  PullThroughGates(values.numel(), values.data_ptr<float>(), signal.data_ptr<float>(),
                   back.data_ptr<float>());
  return back;
}

void PullRelu(const Operation& op, const at::Tensor& signal, TailSignals& out) {
  out.Add(op.tensor(0), Rectified(signal, op.output()));
}

void PullClampMin(const Operation& op, const at::Tensor& signal, TailSignals& out) {
  out.Add(op.tensor(0), Rectified(signal, op.tensor(0)));
}

/// Every second entry of a tensor along a dimension, from `start` (0 or 1) on.
struct EverySecond {
  at::Tensor of;
  std::int64_t dim = 0;
  std::int64_t start = 0;
};

std::optional<EverySecond> EverySecondOf(const at::Tensor& tensor, const TailSignals& signals) {
  const Operation* op = signals.Producer(tensor);
  if (op == nullptr || op->name() != "aten::slice" || op->inputs[4].toInt() != 2) {
    return std::nullopt;
  }
  EverySecond found{op->tensor(0), op->inputs[1].toInt(),
                    op->inputs[2].isNone() ? 0 : op->inputs[2].toInt()};
  if (found.dim < 0) found.dim += found.of.dim();
  if (found.of.size(found.dim) != 2 * tensor.size(found.dim)) return std::nullopt;
  if (found.start != 0 && found.start != 1) return std::nullopt;
  while (true) {  // what is cut out whole is the tensor itself
    const Operation* whole = signals.Producer(found.of);
    if (whole == nullptr || whole->name() != "aten::slice") return found;
    if (whole->tensor(0).sizes() != found.of.sizes()) return found;
    found.of = whole->tensor(0);
  }
}

/// Pooling by the maximum of strided slices: both at once. False if it is something else.
bool PullNeighbours(const Operation& op, const at::Tensor& signal, TailSignals& out) {
  const auto first = EverySecondOf(op.tensor(0), out);
  const auto second = EverySecondOf(op.tensor(1), out);
  if (!first || !second || first->start != 0 || second->start != 1) return false;
  const at::Tensor& input = first->of;
  if (KeyOf(input) != KeyOf(second->of) || first->dim != second->dim) return false;
  if (!input.is_contiguous() || input.scalar_type() != at::kFloat) return false;
  if (!out.Wants(input)) return true;
  PairShape shape{1, input.size(first->dim) / 2, 1};
  for (std::int64_t d = 0; d < input.dim(); ++d) {
    if (d < first->dim) shape.outer *= input.size(d);
    if (d > first->dim) shape.inner *= input.size(d);
  }
  const at::Tensor of_pairs = signal.contiguous();
  at::Tensor back = at::empty(input.sizes());
  PullPairs(shape, input.data_ptr<float>(), of_pairs.data_ptr<float>(), back.data_ptr<float>());
  out.Add(input, back);
  return true;
}

void PullMaximum(const Operation& op, const at::Tensor& signal, TailSignals& out) {
  if (PullNeighbours(op, signal, out)) return;
  const at::Tensor second = at::threshold_backward(signal, op.tensor(1) - op.tensor(0), 0);
  out.Add(op.tensor(0), signal - second);  // where they are equal, the first
  out.Add(op.tensor(1), second);
}

void PullSlice(const Operation& op, const at::Tensor& signal, TailSignals& out) {
  if (op.output().sizes() == op.tensor(0).sizes()) return out.Add(op.tensor(0), signal);
  const auto bound = [&](std::size_t i) -> c10::optional<std::int64_t> {
    if (op.inputs[i].isNone()) return c10::nullopt;
    return op.inputs[i].toInt();
  };
  at::slice(out.Parts(op.tensor(0)), op.inputs[1].toInt(), bound(2), bound(3), op.inputs[4].toInt())
      .add_(signal);
}

void PullSelect(const Operation& op, const at::Tensor& signal, TailSignals& out) {
  out.AddRow(op.tensor(0), op.inputs[1].toInt(), op.inputs[2].toInt(), signal);
}

void PullSigmoid(const Operation& op, const at::Tensor& signal, TailSignals& out) {
  out.Add(op.tensor(0), at::sigmoid_backward(signal, op.output()));
}

void PullTanh(const Operation& op, const at::Tensor& signal, TailSignals& out) {
  out.Add(op.tensor(0), at::tanh_backward(signal, op.output()));
}

void PullProduct(const Operation& op, const at::Tensor& signal, TailSignals& out) {
  out.AddProduct(op.tensor(0), signal, op.tensor(1));
  out.AddProduct(op.tensor(1), signal, op.tensor(0));
}

void PullMaxPool(const Operation& op, const at::Tensor& signal, TailSignals& out) {
  const auto list = [&](std::size_t i) { return op.inputs[i].toIntVector(); };
  const bool ceil = op.inputs[5].toBool();
  const auto [values, winners] =
      at::max_pool2d_with_indices(op.tensor(0), list(1), list(2), list(3), list(4), ceil);
  out.Add(op.tensor(0), at::max_pool2d_with_indices_backward(signal, op.tensor(0), list(1), list(2),
                                                             list(3), list(4), ceil, winners));
}

void PullSum(const Operation& op, const at::Tensor& signal, TailSignals& out) {
  out.Add(op.tensor(0), signal);
  if (!op.has_tensor(1)) return;
  const auto factor = op.inputs[2].toScalar();
  out.Add(op.tensor(1), factor.to<double>() == 1 ? signal : signal * factor);
}

void PullDifference(const Operation& op, const at::Tensor& signal, TailSignals& out) {
  out.Add(op.tensor(0), signal);
  if (op.has_tensor(1)) out.Add(op.tensor(1), signal * -op.inputs[2].toScalar().to<double>());
}

void PullNegative(const Operation& op, const at::Tensor& signal, TailSignals& out) {
  out.Add(op.tensor(0), -signal);
}

void PullMean(const Operation& op, const at::Tensor& signal, TailSignals& out) {
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

/// Sigmoid or tanh whose signal is a product: both in one pass. False if it is something else.
bool PullCurve(const Operation& op, TailSignals& signals) {
  const bool sigmoid = op.name() == "aten::sigmoid";
  if (!sigmoid && op.name() != "aten::tanh") return false;
  const auto product = signals.Product(op.output());
  if (!product || !op.output().is_contiguous()) return false;
  const at::Tensor left = product->left.contiguous();
  const at::Tensor right = product->right.contiguous();
  if (left.sizes() != op.output().sizes() || right.sizes() != op.output().sizes()) return false;
  at::Tensor back = signals.Place(op.tensor(0));
  const bool rows = back.defined() && back.dim() == 2 && back.stride(1) == 1;
  if (!rows) back = at::empty(op.output().sizes());
  PullProductThroughCurve(
      sigmoid ? Curve::kSigmoid : Curve::kTanh,
      rows ? RowShape{back.size(0), back.size(1), back.stride(0)} : RowShape{1, back.numel(), 0},
      left.data_ptr<float>(), right.data_ptr<float>(), op.output().data_ptr<float>(),
      back.data_ptr<float>());
  signals.Add(op.tensor(0), back);
  return true;
}

void PullThrough(const Operation& op, const at::Tensor& signal, TailSignals& out) {
  const at::Tensor result = op.output();
  if (result.defined() && KeyOf(result) == KeyOf(op.tensor(0)))
    return;  // an idle dropout gives what it is given
  out.Add(op.tensor(0), signal);
}

enum class Kind { kRectifier, kSelection, kSum, kOther };
enum class Reads { kNothing, kInputs, kResult };  // values; shapes are always there
struct Rule {
  Kind kind;
  Reads reads;
  PullOne pull;
  bool (*applies)(const Operation&) = [](const Operation&) { return true; };
};

bool SameShapes(const Operation& op) {
  return op.has_tensor(1) && op.tensor(0).sizes() == op.output().sizes() &&
         op.tensor(1).sizes() == op.output().sizes();
}
bool Idle(const Operation& op) { return !op.inputs[2].toBool(); }
bool OverDimensions(const Operation& op) {
  return op.overload() == "dim" && op.inputs.size() == 4 && op.inputs[1].isIntList() &&
         op.inputs[3].isNone();
}

const std::map<std::string, Rule>& Rules() {
  static const auto& rules = *new std::map<std::string, Rule>{
      {"aten::relu", {Kind::kRectifier, Reads::kResult, PullRelu}},
      {"aten::clamp_min",
       {Kind::kRectifier, Reads::kInputs, PullClampMin,
        [](const Operation& op) {
          return op.overload().empty() && op.inputs[1].toScalar().to<double>() == 0;
        }}},
      {"aten::maximum", {Kind::kSelection, Reads::kInputs, PullMaximum, SameShapes}},
      {"aten::slice", {Kind::kSelection, Reads::kNothing, PullSlice}},
      {"aten::max_pool2d", {Kind::kSelection, Reads::kInputs, PullMaxPool}},
      {"aten::dropout", {Kind::kSelection, Reads::kNothing, PullThrough, Idle}},
      {"aten::feature_dropout", {Kind::kSelection, Reads::kNothing, PullThrough, Idle}},
      {"aten::add", {Kind::kSum, Reads::kNothing, PullSum}},
      {"aten::sub", {Kind::kSum, Reads::kNothing, PullDifference}},
      {"aten::neg", {Kind::kOther, Reads::kNothing, PullNegative}},
      {"aten::mean", {Kind::kOther, Reads::kNothing, PullMean, OverDimensions}},
      {"aten::mul", {Kind::kOther, Reads::kInputs, PullProduct, SameShapes}},
      {"aten::sigmoid", {Kind::kOther, Reads::kResult, PullSigmoid}},
      {"aten::tanh", {Kind::kOther, Reads::kResult, PullTanh}},
      {"aten::select", {Kind::kSelection, Reads::kNothing, PullSelect}},
      {"aten::chunk", {Kind::kSelection, Reads::kNothing, PullThrough}},
      {"aten::split", {Kind::kSelection, Reads::kNothing, PullThrough}}};
  return rules;
}

const Rule* RuleOf(const Operation& operation) {
  const auto found = Rules().find(operation.name());
  if (found == Rules().end()) return nullptr;
  return found->second.applies(operation) ? &found->second : nullptr;
}

bool GivesTensors(const Operation& operation) {
  bool found = false;
  VisitResults(operation, [&](const at::Tensor&) { found = true; });
  return found;
}

/// The tensors that the rest of the network sees: the outputs, what an operation without a rule
/// takes in, what a sum repeats to fit its other term, and what is cut into parts of which one is
/// seen (a point is a whole result).
std::unordered_set<Key> SeenOutside(const OperationTape& tape) {
  std::unordered_set<Key> seen = {KeyOf(tape.output())};
  const auto& operations = tape.operations();
  for (auto i = operations.rbegin(); i != operations.rend(); ++i) {
    const Rule* rule = RuleOf(*i);
    bool outside = rule == nullptr && GivesTensors(*i);
    if (!i->output().defined()) {
      VisitResults(*i, [&](const at::Tensor& t) { outside = outside || seen.contains(KeyOf(t)); });
    }
    const bool sum = rule != nullptr && rule->kind == Kind::kSum;
    VisitInputs(*i, [&](const at::Tensor& t) {
      if (outside || (sum && t.sizes() != i->output().sizes())) seen.insert(KeyOf(t));
    });
  }
  return seen;
}

}  // namespace

void VisitReadByPullBack(const Operation& operation,
                         const std::function<void(const at::Tensor&)>& visit) {
  const Reads reads = RuleOf(operation)->reads;
  if (reads == Reads::kInputs) VisitInputs(operation, visit);
  if (reads == Reads::kResult) VisitResults(operation, visit);
}

LocalTail FindTail(const OperationTape& tape, std::size_t begin) {
  const auto& operations = tape.operations();
  const std::unordered_set<Key> seen = SeenOutside(tape);
  const Key first = KeyOf(operations[begin].output());
  LocalTail tail;
  if (seen.contains(first)) return {{{begin, false}}, {}};
  std::unordered_map<Key, bool> inside = {{first, false}};  // and whether it is rectified
  for (std::size_t i = begin + 1; i < operations.size(); ++i) {
    bool uses = false;
    bool rectified = false;
    VisitInputs(operations[i], [&](const at::Tensor& t) {
      const auto found = inside.find(KeyOf(t));
      if (found == inside.end()) return;
      uses = true;
      rectified = rectified || found->second;
    });
    if (!uses || !GivesTensors(operations[i])) continue;
    const Kind kind = RuleOf(operations[i])->kind;
    rectified = kind == Kind::kRectifier || (kind == Kind::kSelection && rectified);
    tail.operations.push_back(i);
    VisitResults(operations[i], [&](const at::Tensor& t) {
      if (seen.contains(KeyOf(t))) {
        tail.points.push_back({i, rectified});
      } else {
        inside.try_emplace(KeyOf(t), rectified);
      }
    });
  }
  return tail;
}

void PullBack(const OperationTape& tape, const std::vector<std::size_t>& operations,
              const std::vector<PointSignal>& points, const std::vector<std::size_t>& begins,
              const SignalTaker& taker) {
  const auto& all = tape.operations();
  TailSignals signals(tape, operations);
  for (std::size_t i = 0; i < begins.size(); ++i) {
    const at::Tensor result = all[begins[i]].output();
    signals.Want(result, true);
    if (!taker.by_rows || !taker.by_rows(i)) continue;
    signals.GiveRows(result, [i, &taker](std::int64_t dim, std::int64_t index,
                                         const at::Tensor& row) { taker.row(i, dim, index, row); });
  }
  for (const PointSignal& point : points) signals.Want(all[point.operation].output(), false);
  for (const PointSignal& point : points) {
    signals.Seed(all[point.operation].output(), point.signal);
  }
  std::size_t left = begins.size();
  const auto take_from = [&](std::size_t operation) {  // what no earlier operation adds to
    while (left > 0 && begins[left - 1] >= operation) {
      --left;
      const at::Tensor signal = signals.Of(all[begins[left]].output());
      if (signal.defined()) taker.whole(left, signal);
      if (begins[left] != operation) signals.Forget(all[begins[left]].output());
    }
  };
  for (auto i = operations.rbegin(); i != operations.rend(); ++i) {
    take_from(*i);
    if (!PullCurve(all[*i], signals)) {
      const at::Tensor result = all[*i].output();  // a list's is undefined
      const at::Tensor at_result = result.defined() ? signals.Of(result) : signals.OfParts(all[*i]);
      if (at_result.defined()) Rules().at(all[*i].name()).pull(all[*i], at_result, signals);
    }
    VisitResults(all[*i], [&](const at::Tensor& t) {
      bool given = false;  // and given on, as it is
      VisitInputs(all[*i], [&](const at::Tensor& in) { given = given || KeyOf(in) == KeyOf(t); });
      if (!given) signals.Forget(t);
    });
  }
  take_from(0);
}

}  // namespace ndcao
