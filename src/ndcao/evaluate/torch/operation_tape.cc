#include "ndcao/evaluate/torch/operation_tape.h"

#include <ATen/ATen.h>
#include <ATen/native/Resize.h>
#include <torch/library.h>

#include <algorithm>
#include <stdexcept>
#include <unordered_set>

namespace ndcao {
namespace {

using Stack = torch::jit::Stack;
constexpr auto kKey = c10::DispatchKey::TESTING_ONLY_GenericMode;

/// What a thread wants to know of its operations; called instead of each.
using Interceptor = std::function<void(const c10::OperatorHandle&, Stack&)>;
thread_local const Interceptor* t_interceptor = nullptr;

// Layers that the dispatcher knows as one operation but whose weights are used by operations
// inside.
bool IsLayer(const std::string& name) {
  static const auto& names =
      *new std::unordered_set<std::string>{"aten::lstm",
                                           "aten::gru",
                                           "aten::rnn_tanh",
                                           "aten::rnn_relu",
                                           "aten::lstm_cell",
                                           "aten::gru_cell",
                                           "aten::rnn_tanh_cell",
                                           "aten::rnn_relu_cell",
                                           "aten::_transformer_encoder_layer_fwd",
                                           "aten::_native_multi_head_attention"};
  return names.contains(name);
}

void Intercept(const c10::OperatorHandle& handle, c10::DispatchKeySet keys, Stack* stack) {
  if (t_interceptor == nullptr || IsLayer(handle.schema().name())) {
    handle.redispatchBoxed(keys & c10::DispatchKeySet(c10::DispatchKeySet::FULL_AFTER, kKey),
                           stack);
    return;
  }
  const c10::impl::ExcludeDispatchKeyGuard alone(kKey);
  (*t_interceptor)(handle, *stack);
}

at::Tensor RunIntercepted(const Forward& forward, const Interceptor& interceptor) {
  struct Restore {
    const Interceptor* before = t_interceptor;
    ~Restore() { t_interceptor = before; }
  } restore;
  t_interceptor = &interceptor;
  const c10::impl::IncludeDispatchKeyGuard on(kKey);
  return forward();
}

void CopyTop(const Stack& stack, std::size_t count, std::vector<c10::IValue>& values) {
  values.assign(stack.end() - static_cast<std::ptrdiff_t>(count), stack.end());
}

bool HasTensor(const std::vector<c10::IValue>& values) {
  bool found = false;
  for (const c10::IValue& value : values) {
    VisitTensors(value, [&](const at::Tensor&) { found = true; });
  }
  return found;
}

// Writing into a tensor would change what other operations of the tape have been given; a number
// taken out of a tensor may decide which operations follow.
std::string ObstacleOf(const Operation& operation) {
  if (operation.handle.schema().is_mutable()) return operation.name() + " writes into its input";
  static const auto& shape = *new std::unordered_set<std::string>{"aten::size",
                                                                  "aten::stride",
                                                                  "aten::dim",
                                                                  "aten::numel",
                                                                  "aten::is_floating_point",
                                                                  "aten::cudnn_is_acceptable"};
  if (HasTensor(operation.inputs) && !HasTensor(operation.outputs) &&
      !shape.contains(operation.name())) {
    return operation.name() + " takes a value out of a tensor";
  }
  return "";
}

/// Lets go of results' values, each after its last use. Fails if the pass takes another course than
/// the one in which they were found to be spent.
class Spender {
 public:
  explicit Spender(const Spent& spent) : spent_(spent) {}

  void Before(const Operation& operation) const {
    if (!spent_.empty()) VisitInputs(operation, RequireValues);
  }

  void After(const std::vector<Operation>& operations) {
    if (spent_.empty()) return;
    alone_.push_back(HasOwnMemory(operations.back()));
    const auto gone = spent_.find(operations.size() - 1);
    if (gone == spent_.end()) return;
    for (const std::size_t i : gone->second) {
      if (!alone_[i]) Fail();  // it is somebody else's
      at::native::resize_bytes_cpu(operations[i].output().storage().unsafeGetStorageImpl(), 0);
    }
  }

  static void RequireValues(const at::Tensor& t) {
    if (t.has_storage() && t.numel() > 0 && t.storage().nbytes() == 0) Fail();
  }

 private:
  static bool HasOwnMemory(const Operation& operation) {
    const at::Tensor result = operation.output();
    if (!result.defined() || !result.has_storage()) return false;
    bool alone = true;
    VisitInputs(operation, [&](const at::Tensor& t) {
      alone = alone && !(t.has_storage() && t.storage().is_alias_of(result.storage()));
    });
    return alone;
  }

  [[noreturn]] static void Fail() {
    throw std::runtime_error(
        "its operations depend on its input's size or values; use --probe weights");
  }

  const Spent& spent_;
  std::vector<bool> alone_;  ///< Whether the operation's first result had memory of its own.
};

/// Tensors that are other than on the tape, by their numbers; the others are undefined.
using Fresh = std::vector<at::Tensor>;

/// The value with fresh tensors in it. `number` goes on over its tensors.
c10::IValue Substitute(const c10::IValue& value, const Fresh& fresh, const TensorNumber*& number) {
  const auto replaced = [&](const at::Tensor& t) {
    const at::Tensor& now = fresh[*number++];
    if (now.defined()) return now;
    Spender::RequireValues(t);
    return t;
  };
  if (value.isTensor()) return value.toTensor().defined() ? replaced(value.toTensor()) : value;
  if (value.isTensorList()) {
    c10::List<at::Tensor> list;
    for (const at::Tensor& t : value.toTensorVector()) list.push_back(replaced(t));
    return list;
  }
  if (!value.isList()) return value;
  const auto before = value.toList();
  c10::impl::GenericList list(before.elementType());
  for (std::size_t i = 0; i < before.size(); ++i) {
    list.push_back(Substitute(before.get(i), fresh, number));
  }
  return list;
}

void Remember(const Operation& operation, const Stack& now, Fresh& fresh) {
  const TensorNumber* number = operation.makes.begin();
  for (const c10::IValue& value : now) {
    VisitTensors(value, [&](const at::Tensor& t) { fresh[*number++] = t; });
  }
}

}  // namespace

at::Tensor Operation::output() const {
  return !outputs.empty() && outputs[0].isTensor() ? outputs[0].toTensor() : at::Tensor();
}

OperationTape OperationTape::Record(const Forward& forward, const Keep& keep, const Spent& spent,
                                    OperationTape memory) {
  OperationTape tape = std::move(memory);
  tape.Clear();
  Spender spender(spent);
  tape.output_ = RunIntercepted(forward, [&](const c10::OperatorHandle& handle, Stack& stack) {
    Operation operation = tape.NewOperation(handle);
    CopyTop(stack, handle.schema().arguments().size(), operation.inputs);
    spender.Before(operation);
    const auto kept = keep.find(tape.operations_.size());
    if (kept != keep.end()) {
      for (const std::size_t i : kept->second) {
        operation.inputs[i] = operation.inputs[i].toTensor().clone();
      }
    }
    handle.callBoxed(&stack);
    CopyTop(stack, handle.schema().returns().size(), operation.outputs);
    if (kept != keep.end()) operation.outputs[0] = operation.output().clone();
    if (tape.obstacle_.empty()) tape.obstacle_ = ObstacleOf(operation);
    tape.Append(std::move(operation));
    spender.After(tape.operations_);
  });
  Spender::RequireValues(tape.output_);
  tape.Number(tape.output_);
  return tape;
}

void OperationTape::Clear() {
  for (Operation& operation : operations_) {
    operation.inputs.clear();
    operation.outputs.clear();
    operation.reads.clear();
    operation.makes.clear();
    spare_.push_back(std::move(operation));
  }
  operations_.clear();
  numbers_.clear();
  last_use_.clear();
  output_.reset();
  obstacle_.clear();
}

Operation OperationTape::NewOperation(const c10::OperatorHandle& handle) {
  if (spare_.empty()) return {handle, {}, {}, {}, {}};
  Operation operation = std::move(spare_.back());
  spare_.pop_back();
  operation.handle = handle;
  return operation;
}

TensorNumber OperationTape::Number(const at::Tensor& tensor) {
  const auto next = static_cast<TensorNumber>(numbers_.size());
  const auto [place, fresh] = numbers_.emplace(tensor.unsafeGetTensorImpl(), next);
  if (fresh) last_use_.push_back(0);
  return place->second;
}

void OperationTape::Append(Operation operation) {
  VisitInputs(operation, [&](const at::Tensor& t) {
    operation.reads.push_back(Number(t));
    last_use_[operation.reads.back()] = operations_.size();
  });
  VisitResults(operation, [&](const at::Tensor& t) { operation.makes.push_back(Number(t)); });
  operations_.push_back(std::move(operation));
}

ChangedPass OperationTape::Recompute(std::span<const Change> changes,
                                     std::span<const std::size_t> watch) const {
  ChangedPass pass;
  Fresh fresh(tensors());
  std::vector<bool> wanted(tensors(), false);
  const TensorNumber output = NumberOf(output_);
  wanted[output] = true;
  for (const std::size_t i : watch) wanted[operations_[i].makes[0]] = true;
  Stack stack;
  auto change = changes.begin();
  for (std::size_t i = changes.empty() ? operations_.size() : change->operation;
       i < operations_.size(); ++i) {
    const Operation& operation = operations_[i];
    const bool dirty = std::any_of(operation.reads.begin(), operation.reads.end(),
                                   [&](TensorNumber read) { return fresh[read].defined(); });
    if (dirty) {
      stack.clear();
      const TensorNumber* number = operation.reads.begin();
      for (const c10::IValue& input : operation.inputs) {
        stack.push_back(Substitute(input, fresh, number));
      }
      operation.handle.callBoxed(&stack);
      // The memory of what was used for the last time serves again while it is in the cache.
      for (const TensorNumber read : operation.reads) {
        if (last_use_[read] == i && !wanted[read]) fresh[read].reset();
      }
      Remember(operation, stack, fresh);
    }
    if (change != changes.end() && change->operation == i) {
      at::Tensor& now = fresh[operation.makes[0]];
      now = at::add(now.defined() ? now : operation.output(), change->direction, change->scale);
      ++change;
    }
  }
  const auto value = [&](TensorNumber number, const at::Tensor& clean) {
    return fresh[number].defined() ? fresh[number] : clean;
  };
  for (const std::size_t i : watch) {
    pass.watched.push_back(value(operations_[i].makes[0], operations_[i].output()));
  }
  pass.output = value(output, output_);
  return pass;
}

std::size_t OperationTape::Dependents(std::size_t operation) const {
  std::vector<bool> dirty(tensors(), false);
  dirty[operations_[operation].makes[0]] = true;
  std::size_t count = 0;
  for (std::size_t i = operation + 1; i < operations_.size(); ++i) {
    const Operation& later = operations_[i];
    const bool depends = std::any_of(later.reads.begin(), later.reads.end(),
                                     [&](TensorNumber read) { return dirty[read]; });
    if (!depends) continue;
    ++count;
    for (const TensorNumber made : later.makes) dirty[made] = true;
  }
  return count;
}

ChangedPass ForwardWith(const Forward& forward, std::span<const Change> changes,
                        std::span<const std::size_t> watch) {
  ChangedPass pass;
  pass.watched.resize(watch.size());
  auto change = changes.begin();
  std::size_t count = 0;
  pass.output = RunIntercepted(forward, [&](const c10::OperatorHandle& handle, Stack& stack) {
    handle.callBoxed(&stack);
    const std::size_t i = count++;
    const std::size_t returns = handle.schema().returns().size();
    if (change != changes.end() && change->operation == i) {
      c10::IValue& first = stack[stack.size() - returns];
      first = at::add(first.toTensor(), change->direction, change->scale);
      ++change;
    }
    for (std::size_t w = 0; w < watch.size(); ++w) {
      if (watch[w] == i) pass.watched[w] = stack[stack.size() - returns].toTensor().clone();
    }
  });
  return pass;
}

}  // namespace ndcao

TORCH_LIBRARY_IMPL(_, TESTING_ONLY_GenericMode, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&ndcao::Intercept>());
}
