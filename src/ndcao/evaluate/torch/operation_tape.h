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

#include <cstddef>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace ndcao {

using Forward = std::function<at::Tensor()>;

struct Operation {
  c10::OperatorHandle handle;
  std::vector<c10::IValue> inputs;
  std::vector<c10::IValue> outputs;

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

/// Calls `visit` with every tensor in a value: itself, or the elements of a list.
void VisitTensors(const c10::IValue& value, const std::function<void(const at::Tensor&)>& visit);

/// The same with every tensor that an operation takes in, and with every one that it gives.
void VisitInputs(const Operation& operation, const std::function<void(const at::Tensor&)>& visit);
void VisitResults(const Operation& operation, const std::function<void(const at::Tensor&)>& visit);

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
  static OperationTape Record(const Forward& forward, const Keep& keep = {},
                              const Spent& spent = {});

  const std::vector<Operation>& operations() const { return operations_; }
  const at::Tensor& output() const { return output_; }
  /// Why Recompute would be wrong for this module; empty if it is right.
  const std::string& obstacle() const { return obstacle_; }

  /// The pass with changes, in increasing order of operations: only what depends on them is
  /// computed. `watch` names operations whose results are wanted.
  ChangedPass Recompute(std::span<const Change> changes,
                        std::span<const std::size_t> watch = {}) const;
  /// How many operations Recompute runs for a change at `operation`.
  std::size_t Dependents(std::size_t operation) const;

 private:
  std::vector<Operation> operations_;
  at::Tensor output_;
  std::string obstacle_;
  std::unordered_map<const c10::TensorImpl*, std::size_t> last_use_;  ///< By which operation.
};

/// A whole pass with changes; `forward` must do the same operations as when they were counted.
ChangedPass ForwardWith(const Forward& forward, std::span<const Change> changes,
                        std::span<const std::size_t> watch = {});

}  // namespace ndcao
