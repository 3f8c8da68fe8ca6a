#include "ndcao/evaluate/torch/operation_tape.h"

#include <ATen/ATen.h>
#include <ATen/native/Resize.h>
#include <torch/library.h>

#include <algorithm>
#include <stdexcept>
#include <unordered_map>
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

std::vector<c10::IValue> Top(const Stack& stack, std::size_t count) {
  return {stack.end() - static_cast<std::ptrdiff_t>(count), stack.end()};
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

  void Before(const Operation& operation) {
    if (spent_.empty()) return;
    VisitInputs(operation, [&](const at::Tensor& t) {
      RequireValues(t);
      if (t.has_storage()) known_.insert(t.storage().unsafeGetStorageImpl());
    });
  }

  void After(const std::vector<Operation>& operations) {
    if (spent_.empty()) return;
    const std::size_t now = operations.size() - 1;
    VisitResults(operations[now], [&](const at::Tensor& t) {
      if (!t.has_storage()) return;
      const auto* storage = t.storage().unsafeGetStorageImpl();
      if (known_.insert(storage).second) made_[storage] = now;
    });
    const auto gone = spent_.find(now);
    if (gone == spent_.end()) return;
    for (const std::size_t i : gone->second) {
      const at::Tensor result = operations[i].output();
      auto* storage = result.defined() ? result.storage().unsafeGetStorageImpl() : nullptr;
      const auto made = made_.find(storage);
      if (made == made_.end() || made->second != i) Fail();  // it is somebody else's
      at::native::resize_bytes_cpu(storage, 0);
    }
  }

  static void RequireValues(const at::Tensor& t) {
    if (t.has_storage() && t.numel() > 0 && t.storage().nbytes() == 0) Fail();
  }

 private:
  [[noreturn]] static void Fail() {
    throw std::runtime_error(
        "its operations depend on its input's size or values; use --probe weights");
  }

  const Spent& spent_;
  std::unordered_set<const c10::StorageImpl*> known_;
  std::unordered_map<const c10::StorageImpl*, std::size_t> made_;  // by which operation
};

using Fresh = std::unordered_map<const c10::TensorImpl*, at::Tensor>;

bool Depends(const c10::IValue& value, const Fresh& fresh) {
  bool found = false;
  VisitTensors(value, [&](const at::Tensor& t) {
    found = found || fresh.contains(t.unsafeGetTensorImpl());
  });
  return found;
}

c10::IValue Substitute(const c10::IValue& value, const Fresh& fresh) {
  const auto replaced = [&](const at::Tensor& t) {
    const auto found = fresh.find(t.unsafeGetTensorImpl());
    return found == fresh.end() ? t : found->second;
  };
  if (value.isTensor()) return replaced(value.toTensor());
  if (value.isTensorList()) {
    c10::List<at::Tensor> list;
    for (const at::Tensor& t : value.toTensorVector()) list.push_back(replaced(t));
    return list;
  }
  const auto before = value.toList();
  c10::impl::GenericList list(before.elementType());
  for (std::size_t i = 0; i < before.size(); ++i) {
    const c10::IValue element = before.get(i);
    list.push_back(element.isTensor() ? c10::IValue(replaced(element.toTensor())) : element);
  }
  return list;
}

/// Lets go of what an operation was the last to take in, so that the memory serves again while it
/// is still in the cache.
void Forget(const Operation& operation, const std::function<bool(const at::Tensor&)>& last,
            Fresh& fresh) {
  VisitInputs(operation, [&](const at::Tensor& t) {
    if (last(t)) fresh.erase(t.unsafeGetTensorImpl());
  });
}

void Remember(const std::vector<c10::IValue>& before, const Stack& now, Fresh& fresh) {
  for (std::size_t i = 0; i < before.size(); ++i) {
    std::vector<const c10::TensorImpl*> old;
    VisitTensors(before[i], [&](const at::Tensor& t) { old.push_back(t.unsafeGetTensorImpl()); });
    std::size_t next = 0;
    VisitTensors(now[i], [&](const at::Tensor& t) { fresh[old[next++]] = t; });
  }
}

}  // namespace

void VisitTensors(const c10::IValue& value, const std::function<void(const at::Tensor&)>& visit) {
  if (value.isTensor()) {
    if (value.toTensor().defined()) visit(value.toTensor());
  } else if (value.isTensorList()) {
    for (const at::Tensor& t : value.toTensorVector()) visit(t);
  } else if (value.isList()) {
    for (const c10::IValue& element : value.toListRef()) VisitTensors(element, visit);
  }
}

void VisitInputs(const Operation& operation, const std::function<void(const at::Tensor&)>& visit) {
  for (const c10::IValue& input : operation.inputs) VisitTensors(input, visit);
}

void VisitResults(const Operation& operation, const std::function<void(const at::Tensor&)>& visit) {
  for (const c10::IValue& output : operation.outputs) VisitTensors(output, visit);
}

at::Tensor Operation::output() const {
  return !outputs.empty() && outputs[0].isTensor() ? outputs[0].toTensor() : at::Tensor();
}

OperationTape OperationTape::Record(const Forward& forward, const Keep& keep, const Spent& spent) {
  OperationTape tape;
  Spender spender(spent);
  tape.output_ = RunIntercepted(forward, [&](const c10::OperatorHandle& handle, Stack& stack) {
    Operation operation{handle, Top(stack, handle.schema().arguments().size()), {}};
    spender.Before(operation);
    const auto kept = keep.find(tape.operations_.size());
    if (kept != keep.end()) {
      for (const std::size_t i : kept->second) {
        operation.inputs[i] = operation.inputs[i].toTensor().clone();
      }
    }
    handle.callBoxed(&stack);
    operation.outputs = Top(stack, handle.schema().returns().size());
    if (kept != keep.end()) operation.outputs[0] = operation.output().clone();
    if (tape.obstacle_.empty()) tape.obstacle_ = ObstacleOf(operation);
    VisitInputs(operation, [&](const at::Tensor& t) {
      tape.last_use_[t.unsafeGetTensorImpl()] = tape.operations_.size();
    });
    tape.operations_.push_back(std::move(operation));
    spender.After(tape.operations_);
  });
  Spender::RequireValues(tape.output_);
  return tape;
}

ChangedPass OperationTape::Recompute(std::span<const Change> changes,
                                     std::span<const std::size_t> watch) const {
  ChangedPass pass;
  Fresh fresh;
  std::unordered_set<const c10::TensorImpl*> wanted = {output_.unsafeGetTensorImpl()};
  for (const std::size_t i : watch) wanted.insert(operations_[i].output().unsafeGetTensorImpl());
  auto change = changes.begin();
  for (std::size_t i = changes.empty() ? operations_.size() : change->operation;
       i < operations_.size(); ++i) {
    const Operation& operation = operations_[i];
    const bool dirty = std::any_of(operation.inputs.begin(), operation.inputs.end(),
                                   [&](const c10::IValue& input) { return Depends(input, fresh); });
    if (dirty) {
      Stack stack;
      for (const c10::IValue& input : operation.inputs) {
        const bool changed = Depends(input, fresh);
        if (!changed) VisitTensors(input, Spender::RequireValues);
        stack.push_back(changed ? Substitute(input, fresh) : input);
      }
      operation.handle.callBoxed(&stack);
      const auto last = [&](const at::Tensor& t) {
        return last_use_.at(t.unsafeGetTensorImpl()) == i &&
               !wanted.contains(t.unsafeGetTensorImpl());
      };
      Forget(operation, last, fresh);
      Remember(operation.outputs, stack, fresh);
    }
    if (change != changes.end() && change->operation == i) {
      const at::Tensor clean = operation.output();
      at::Tensor& now = fresh.try_emplace(clean.unsafeGetTensorImpl(), clean).first->second;
      now = at::add(now, change->direction, change->scale);
      ++change;
    }
  }
  const auto value = [&](const at::Tensor& t) {
    const auto found = fresh.find(t.unsafeGetTensorImpl());
    return found == fresh.end() ? t : found->second;
  };
  for (const std::size_t i : watch) pass.watched.push_back(value(operations_[i].output()));
  pass.output = value(output_);
  return pass;
}

std::size_t OperationTape::Dependents(std::size_t operation) const {
  std::unordered_set<const c10::TensorImpl*> dirty = {
      operations_[operation].output().unsafeGetTensorImpl()};
  std::size_t count = 0;
  for (std::size_t i = operation + 1; i < operations_.size(); ++i) {
    bool depends = false;
    VisitInputs(operations_[i], [&](const at::Tensor& t) {
      depends = depends || dirty.contains(t.unsafeGetTensorImpl());
    });
    if (!depends) continue;
    ++count;
    VisitResults(operations_[i],
                 [&](const at::Tensor& t) { dirty.insert(t.unsafeGetTensorImpl()); });
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
