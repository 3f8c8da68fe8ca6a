// A TorchScript module whose parameters live in one flat vector.
//
// The module's parameter tensors are bound to a buffer: writing the buffer changes what the module
// computes. Built-in networks (zoo.h) and users' files go the same way.
#pragma once

#include <torch/script.h>

#include <memory>
#include <span>
#include <string>

#include "ndcao/base/result.h"
#include "ndcao/params/layout.h"
#include "ndcao/params/parameter_vector.h"

namespace ndcao {

/// Which statistics BatchNorm layers normalise with.
enum class BatchNorm {
  kEval,   ///< The running statistics that the module came with: constants.
  kBatch,  ///< Those of the examples in the forward pass.
};
/// "eval" or "batch"; the error lists these.
Result<BatchNorm> ParseBatchNorm(const std::string& name);

/// What a module answers, of a tuple its first element; throws where that is no tensor.
at::Tensor FirstOutput(torch::jit::IValue output);

class ScriptModel {
 public:
  /// Binds `module`, of which this becomes the only user. Parameters that are one tensor (tied
  /// weights) are counted once, under the first of their names; those that share memory only in
  /// part are refused. All float32 parameters are trained, whatever their requires_grad says. The
  /// module is in evaluation mode, but for BatchNorm layers when `batch_norm` says so.
  static Result<std::unique_ptr<ScriptModel>> Bind(torch::jit::Module module,
                                                   BatchNorm batch_norm = BatchNorm::kEval);

  const Layout& layout() const { return layout_; }
  /// d floats: the module's parameters themselves.
  std::span<float> parameters() { return values_; }
  /// Moves the parameters to memory that others may read too and that outlives the model: d floats,
  /// whose values count from now on. Whoever shares them must not write through `parameters`.
  void ReadFrom(std::span<const float> shared);

  /// The module's output for `input`, of a tuple its first element. Throws what LibTorch throws.
  at::Tensor Forward(const at::Tensor& input);

  const torch::jit::Module& module() const { return module_; }
  /// Makes every Forward do the same operations: as they are written, where LibTorch would rewrite
  /// them after the first passes, but for those that write into their inputs, which become ones
  /// that do not where that is the same. Before the first Forward.
  void FixOperations();
  /// Switches the BatchNorm layers; returns how many there are.
  int SetBatchNorm(BatchNorm batch_norm);

 private:
  explicit ScriptModel(torch::jit::Module module) : module_(std::move(module)) {}

  Status BindParameters();

  torch::jit::Module module_;
  bool optimized_ = true;
  Layout layout_;
  ParameterVector buffer_;  ///< Empty once others' memory is read.
  std::span<float> values_;
};

}  // namespace ndcao
