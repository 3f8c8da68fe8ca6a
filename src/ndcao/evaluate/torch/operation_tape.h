// The operations of one forward pass, as LibTorch's dispatcher sees them, and forward passes that
// differ from it in a few activations.
//
// While a pass is recorded or changed, a dispatch key of this thread alone is switched on; other
// threads, and the module itself, are not touched.
//
//   const OperationTape tape = OperationTape::Record(forward);
//   at::Tensor out = tape.Recompute({{{7, delta}}}).output;   // what depends on operation 7
//   at::Tensor same = ForwardWith(forward, {{{7, delta}}}).output;   // a whole pass
// Internal to evaluate/torch.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/util/SmallVector.h>
#include <c10/util/flat_hash_map.h>

#include <cstddef>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace ndcao {

using Forward = std::function<at::Tensor()>;

/// Tensors of a tape have numbers, from 0 on.
using TensorNumber = std::uint32_t;

struct Operation {
  c10::OperatorHandle handle;
  std::vector<c10::IValue> inputs;
  std::vector<c10::IValue> outputs;
  c10::SmallVector<TensorNumber, 4> reads;  ///< The tensors of `inputs`, as VisitInputs goes.
  c10::SmallVector<TensorNumber, 4> makes;  ///< Those of `outputs`.

  /// "aten::linear"
  const std::string& name() const { return handle.schema().name(); }
  const std::string& overload() const { return handle.schema().overload_name(); }
  const at::Tensor& tensor(std::size_t input) const { return inputs[input].toTensor(); }
  bool has_tensor(std::size_t input) const {
    return input < inputs.size() && inputs[input].isTensor() && inputs[input].toTensor().defined();
  }
  /// The first result; undefined if it is no tensor.
  at::Tensor output() const;
};

/// Whether two tensors are the same view of the same memory.
inline bool SameView(const at::Tensor& a, const at::Tensor& b) {
  return a.data_ptr() == b.data_ptr() && a.sizes() == b.sizes() && a.strides() == b.strides();
}

/// Calls `visit` with every tensor in a value: itself, or the elements of a list.
template <typename Visit>
void VisitTensors(const c10::IValue& value, const Visit& visit) {
  if (value.isTensor()) {
    if (value.toTensor().defined()) visit(value.toTensor());
  } else if (value.isTensorList()) {
    for (const at::Tensor& t : value.toTensorVector()) visit(t);
  } else if (value.isList()) {
    for (const c10::IValue& element : value.toListRef()) VisitTensors(element, visit);
  }
}

/// The same with every tensor that an operation takes in, and with every one that it gives.
template <typename Visit>
void VisitInputs(const Operation& operation, const Visit& visit) {
  for (const c10::IValue& input : operation.inputs) VisitTensors(input, visit);
}
template <typename Visit>
void VisitResults(const Operation& operation, const Visit& visit) {
  for (const c10::IValue& output : operation.outputs) VisitTensors(output, visit);
}

/// `scale` times `direction` is added to the first result of operation `operation`.
struct Change {
  std::size_t operation = 0;
  at::Tensor direction;
  double scale = 1;
};

struct ChangedPass {
  at::Tensor output;
  std::vector<at::Tensor> watched;  ///< First results of the operations watched.
};

/// Operations whose tensors must be kept as they were, where others may write into them: the
/// inputs named, and the results.
using Keep = std::map<std::size_t, std::vector<std::size_t>>;

/// Operations whose first results' values go before the pass is over, by the operation after which
/// they go; their shapes stay, and what shares their memory goes, too. For passes that take the
/// course of the one in which they were found; Record fails if it meets another.
using Spent = std::map<std::size_t, std::vector<std::size_t>>;

class OperationTape {
 public:
  /// `memory`: a tape that is not needed any more, whose vectors are used again.
  static OperationTape Record(const Forward& forward, const Keep& keep = {},
                              const Spent& spent = {}, OperationTape memory = {});

  /// Lets go of all tensors.
  void Clear();

  const std::vector<Operation>& operations() const { return operations_; }
  const at::Tensor& output() const { return output_; }
  /// How many tensors its operations take in or give, and the number of one of them.
  std::size_t tensors() const { return numbers_.size(); }
  TensorNumber NumberOf(const at::Tensor& tensor) const {
    return numbers_.at(tensor.unsafeGetTensorImpl());
  }
  /// Why Recompute would be wrong for this module; empty if it is right.
  const std::string& obstacle() const { return obstacle_; }

  /// The pass with changes, in increasing order of operations: only what depends on them is
  /// computed. `watch` names operations whose results are wanted.
  ChangedPass Recompute(std::span<const Change> changes,
                        std::span<const std::size_t> watch = {}) const;
  /// How many operations Recompute runs for a change at `operation`.
  std::size_t Dependents(std::size_t operation) const;

 private:
  Operation NewOperation(const c10::OperatorHandle& handle);
  void Append(Operation operation);
  TensorNumber Number(const at::Tensor& tensor);

  std::vector<Operation> operations_;
  at::Tensor output_;
  std::string obstacle_;
  ska::flat_hash_map<const c10::TensorImpl*, TensorNumber> numbers_;
  std::vector<std::size_t> last_use_;  ///< Of a tensor, by its number: by which operation.
  std::vector<Operation> spare_;       ///< Empty ones, for their vectors.
};

/// A whole pass with changes; `forward` must do the same operations as when they were counted.
ChangedPass ForwardWith(const Forward& forward, std::span<const Change> changes,
                        std::span<const std::size_t> watch = {});

}  // namespace ndcao
