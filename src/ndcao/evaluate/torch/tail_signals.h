// Signals on their way back through the tails of operations: which tensor has which, and where
// they lie in memory. Internal to evaluate/torch.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "ndcao/evaluate/torch/operation_tape.h"

namespace ndcao {

/// A signal that is still a product: what takes it further may do both at once.
struct ProductSignal {
  at::Tensor left;
  at::Tensor right;
};

/// Signals of the tensors inside tails, by tensor. Others are not kept.
class TailSignals {
 public:
  /// `inside`: the tensors whose signals are wanted. `operations`: those of the tails.
  TailSignals(std::unordered_set<const c10::TensorImpl*> inside,
              const std::vector<const Operation*>& operations);

  /// The operation of a tail that has made a tensor; null: none.
  const Operation* Producer(const at::Tensor& tensor) const;
  bool Wants(const at::Tensor& tensor) const;
  /// What has come for a tensor; undefined: nothing.
  at::Tensor Of(const at::Tensor& tensor);
  /// The same of a list of parts of a tensor, as one tensor.
  at::Tensor OfParts(const Operation& cut);

  void Seed(const at::Tensor& point, const at::Tensor& signal);
  void Add(const at::Tensor& tensor, const at::Tensor& signal);
  /// Adds left · right, later if nothing else comes before it is asked for.
  void AddProduct(const at::Tensor& tensor, const at::Tensor& left, const at::Tensor& right);
  /// The signal of a tensor if it is a product and nothing more; empty otherwise.
  std::optional<ProductSignal> Product(const at::Tensor& tensor) const;
  /// Adds a signal at one index of a dimension.
  void AddRow(const at::Tensor& tensor, std::int64_t dim, std::int64_t index,
              const at::Tensor& signal);
  /// A tensor to add parts to, zero at first.
  at::Tensor& Parts(const at::Tensor& tensor);
  /// Lets go of a signal that has been used, so that its memory serves again.
  void Forget(const at::Tensor& tensor);

  /// Where the signal of a tensor may be written so that it need not be copied on its way to the
  /// tensor that it is a row of; undefined: anywhere. Whoever asks writes there and adds it.
  at::Tensor Place(const at::Tensor& tensor);

 private:
  /// A signal that comes row by row; memory is not cleared before it is filled.
  struct Rows {
    Rows() = default;
    Rows(const at::Tensor& tensor, std::int64_t d);
    at::Tensor Row(std::int64_t index) const;

    at::Tensor of;
    std::int64_t dim = 0;
    std::vector<bool> filled;
    std::vector<const Operation*> given_to;  ///< As a place, to the signal of this one's result.
  };

  Rows& RowsOf(const at::Tensor& tensor, std::int64_t dim);
  const at::Tensor& Filled(Rows& rows);
  /// Whether all that comes for a tensor comes from one operation, and as one signal.
  bool ComesOnce(const at::Tensor& tensor) const;
  at::Tensor PlaceOfPart(const Operation& cut, const at::Tensor& part);
  at::Tensor PlaceOfRow(const Operation& select);
  void Multiply(const at::Tensor& tensor);

  using Key = const c10::TensorImpl*;
  std::unordered_set<Key> inside_;
  std::unordered_map<Key, const Operation*> producers_;
  std::unordered_map<Key, int> uses_;  ///< By operations of the tails.
  std::unordered_map<Key, at::Tensor> signals_;
  std::unordered_map<Key, ProductSignal> products_;
  std::unordered_map<Key, at::Tensor> parts_;
  std::unordered_map<Key, Rows> rows_;
};

}  // namespace ndcao
