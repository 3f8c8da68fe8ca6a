// Signals on their way back through the tails of operations: which tensor has which, and where
// they lie in memory. Internal to evaluate/torch.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <optional>
#include <utility>
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
  /// `operations`: those of the tails, whose results' signals are kept. The tape outlives it.
  TailSignals(const OperationTape& tape, const std::vector<std::size_t>& operations);

  /// Keeps those of this tensor, too; or not, as it is a point.
  void Want(const at::Tensor& tensor, bool wanted) { EntryOf(tensor).wanted = wanted; }

  using TakeRow =
      std::function<void(std::int64_t dim, std::int64_t index, const at::Tensor& signal)>;
  /// Gives away what AddRow brings for a tensor instead of keeping it, but along the last
  /// dimension.
  void GiveRows(const at::Tensor& tensor, TakeRow take) {
    EntryOf(tensor).take_row = std::move(take);
  }

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

  /// Where the signal of a tensor may be written so that it need not be copied on its way to a row
  /// that is given away; undefined: anywhere. Whoever asks writes there and adds it.
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
  };

  struct Entry {
    bool wanted = false;
    int uses = 0;  ///< By operations of the tails.
    const Operation* producer = nullptr;
    at::Tensor whole;
    std::optional<ProductSignal> product;
    at::Tensor parts;
    std::optional<Rows> rows;
    TakeRow take_row;
    at::Tensor place;  ///< Given out for the signal, which is a row that will be given away.
  };

  Entry& EntryOf(const at::Tensor& tensor) { return entries_[tape_.NumberOf(tensor)]; }
  const Entry& EntryOf(const at::Tensor& tensor) const { return entries_[tape_.NumberOf(tensor)]; }
  static const at::Tensor& Filled(Rows& rows);
  /// Whether all that comes for a tensor comes from one operation, and as one signal.
  bool ComesOnce(const at::Tensor& tensor) const;
  at::Tensor PlaceOfPart(const Operation& cut, const at::Tensor& part);
  at::Tensor PlaceOfRow(const Operation& select);
  static bool GivesRow(const Entry& entry, const at::Tensor& tensor, std::int64_t dim);
  static void Multiply(Entry& entry);

  const OperationTape& tape_;
  std::vector<Entry> entries_;  ///< By the tensors' numbers.
};

}  // namespace ndcao
