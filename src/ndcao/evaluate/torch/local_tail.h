// The part behind an operation that has no parameters and belongs to its block: rectifiers,
// pooling, the sum with what passes by. A block probes where its tail ends, and takes its signal
// back through the tail by the tail's own derivative (docs/activations.md, "What a block gets").
// Internal to evaluate/torch.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <vector>

#include "ndcao/evaluate/torch/operation_tape.h"

namespace ndcao {

struct LocalTail {
  std::size_t begin = 0;                ///< The operation that has the weights.
  std::size_t point = 0;                ///< The last operation; `begin` if the tail is empty.
  std::vector<std::size_t> operations;  ///< Those after `begin`, in order; the last is `point`.
  bool rectified = false;               ///< The point is zero where its derivative is.
};

/// The longest tail whose last result is all that the rest of the network sees of `begin`.
LocalTail FindTail(const OperationTape& tape, std::size_t begin);

/// The signal at the tail's point, taken back to the result of its first operation. `tape` is of
/// any pass of the network in which the tail was found.
at::Tensor PullBack(const OperationTape& tape, const LocalTail& tail, at::Tensor signal);

}  // namespace ndcao
