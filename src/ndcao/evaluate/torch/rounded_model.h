// A network whose weights are another's, rounded to bfloat16: half the bytes, and with the right
// instructions up to twice (AVX-512 BF16) or several times (AMX) the speed. Sums are accumulated in
// float32 inside each operation; what an operation answers is bfloat16 again.
// Internal to evaluate/torch.
#pragma once

#include <torch/script.h>

#include <memory>
#include <utility>
#include <vector>

#include "ndcao/base/result.h"
#include "ndcao/evaluate/torch/script_model.h"

namespace ndcao {

class RoundedModel {
 public:
  /// A copy of `model`'s module, which reads the parameters of `model` at every Forward.
  static Result<std::unique_ptr<RoundedModel>> Copy(const ScriptModel& model);

  /// Rounds the parameters that `model` has now, each once, to the nearest bfloat16 (ties to even).
  void ReadParameters();
  /// The output, as float32, for a bfloat16 input. Throws what LibTorch throws.
  at::Tensor Forward(const at::Tensor& input);

 private:
  struct Pair {
    at::Tensor exact;
    at::Tensor rounded;
  };

  explicit RoundedModel(torch::jit::Module module) : module_(std::move(module)) {}

  torch::jit::Module module_;
  std::vector<Pair> parameters_;
};

}  // namespace ndcao
