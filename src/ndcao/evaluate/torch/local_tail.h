// The part behind an operation that has no parameters and belongs to its block: rectifiers,
// pooling, the sum with what passes by. A block probes where its tail ends, and takes its signal
// back through the tail by the tail's own derivative (docs/activations.md, "What a block gets").
// Internal to evaluate/torch.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <functional>
#include <vector>

#include "ndcao/evaluate/torch/operation_tape.h"

namespace ndcao {

/// Where a tail ends.
struct TailPoint {
  std::size_t operation = 0;
  bool rectified = false;  ///< Its result is zero where its derivative is.

  bool operator==(const TailPoint&) const = default;
};

struct LocalTail {
  std::vector<TailPoint> points;        ///< In order; the operation itself if the tail is empty.
  std::vector<std::size_t> operations;  ///< Those after the one with the weights, in order.
};

/// All operations with a known derivative and no parameters that lead from `begin` to what others
/// take in: the points. Nothing else of `begin` reaches the rest of the network. A recurrent
/// layer's tail leads through its memory to the state after every later step.
LocalTail FindTail(const OperationTape& tape, std::size_t begin);

/// Calls `visit` with the tensors whose values PullBack reads to go back through an operation of a
/// tail.
void VisitReadByPullBack(const Operation& operation,
                         const std::function<void(const at::Tensor&)>& visit);

/// A signal at the result of an operation.
struct PointSignal {
  std::size_t operation = 0;
  at::Tensor signal;
};

/// Who takes the signals of PullBack's `begins`, of which i counts.
struct SignalTaker {
  /// What reaches begins[i], the last first, each as soon as it is whole. Not called for nothing.
  std::function<void(std::size_t i, const at::Tensor& signal)> whole;
  /// Whether parts at one index of a dimension, the last excepted, are taken singly, as soon as
  /// each is there, and not kept for `whole`; what comes otherwise still is. Null: never.
  std::function<bool(std::size_t i)> by_rows;
  std::function<void(std::size_t i, std::int64_t dim, std::int64_t index, const at::Tensor& signal)>
      row;
};

/// Takes the signals at the points of tails back through their `operations` (in order, of all of
/// them) to the results of `begins` (in order). A signal is all that its point does to the loss, so
/// none is taken back through what comes after a point. `tape` is of any pass of the network in
/// which the tails were found.
void PullBack(const OperationTape& tape, const std::vector<std::size_t>& operations,
              const std::vector<PointSignal>& points, const std::vector<std::size_t>& begins,
              const SignalTaker& taker);

}  // namespace ndcao
