// One use of weights by an operation: which parameters, and what an update of them is made of.
// Internal to evaluate/torch.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ndcao/evaluate/torch/operation_tape.h"

namespace ndcao {

/// Tells parameters by where their values lie: tensors that are views of the flat vector.
class ParameterMemory {
 public:
  explicit ParameterMemory(std::span<const float> parameters) : parameters_(parameters) {}

  bool Holds(const at::Tensor& tensor) const;
  /// Index of the tensor's first value; the tensor is held.
  std::uint64_t Offset(const at::Tensor& tensor) const;
  /// The same view of another flat vector.
  at::Tensor Like(const at::Tensor& parameter, const at::Tensor& flat) const;

 private:
  std::span<const float> parameters_;
};

enum class WeightRole {
  kLinear,       ///< x Wᵀ + b
  kProduct,      ///< x W (+ b)
  kLeftProduct,  ///< W x
  kConvolution,
  kSum,  ///< x + b, b the same for every example
};

struct WeightCall {
  std::size_t operation = 0;
  WeightRole role = WeightRole::kLinear;
  std::size_t input = 0;
  std::optional<std::size_t> weight;  ///< Which argument.
  std::optional<std::size_t> bias;
};

/// Recognises a use of weights; empty if the operation uses none, or in a way that is not known.
std::optional<WeightCall> FindWeightCall(const Operation& operation, std::size_t index,
                                         const ParameterMemory& memory);

/// Adds to `flat` (the size of θ) the outer product of `signal`, of the shape of the operation's
/// result, with the operation's own input, summed over examples and positions. If the signal is
/// dL/d(result), that is dL/d(weights).
void AddOuterProduct(const WeightCall& call, const Operation& operation, const at::Tensor& signal,
                     const ParameterMemory& memory, const at::Tensor& flat);

/// Whether the outer product is the sum of those of the parts at each index of any dimension but
/// the last: of a matrix product of more than rows.
bool IsSumOfRows(const WeightCall& call, const Operation& operation);
/// The part at `index` of dimension `dim`, where `signal` is that part's.
void AddOuterProductOfRow(const WeightCall& call, const Operation& operation, std::int64_t dim,
                          std::int64_t index, const at::Tensor& signal,
                          const ParameterMemory& memory, const at::Tensor& flat);

/// What a convolution's result changes by if every example has changes of the weights of its own:
/// `weights` is [examples, …weight shape], `bias` [examples, out]. Only for groups = 1.
at::Tensor ConvolveEach(const Operation& operation, const at::Tensor& weights,
                        const at::Tensor& bias);

}  // namespace ndcao
