#include "ndcao/evaluate/torch/tail_signals.h"

#include <ATen/ATen.h>

namespace ndcao {
namespace {

const c10::TensorImpl* KeyOf(const at::Tensor& tensor) { return tensor.unsafeGetTensorImpl(); }

std::int64_t Wrap(std::int64_t index, std::int64_t size) {
  return index < 0 ? index + size : index;
}

}  // namespace

TailSignals::Rows::Rows(const at::Tensor& tensor, std::int64_t d)
    : of(at::empty(tensor.sizes())),
      dim(d),
      filled(static_cast<std::size_t>(tensor.size(d)), false) {}

at::Tensor TailSignals::Rows::Row(std::int64_t index) const { return at::select(of, dim, index); }

TailSignals::TailSignals(const OperationTape& tape, const std::vector<std::size_t>& operations)
    : tape_(tape), entries_(tape.tensors()) {
  for (const std::size_t i : operations) {
    const Operation& operation = tape.operations()[i];
    for (const TensorNumber read : operation.reads) ++entries_[read].uses;
    for (const TensorNumber made : operation.makes) {
      entries_[made].wanted = true;
      entries_[made].producer = &operation;
    }
  }
}

const Operation* TailSignals::Producer(const at::Tensor& tensor) const {
  return EntryOf(tensor).producer;
}

bool TailSignals::Wants(const at::Tensor& tensor) const { return EntryOf(tensor).wanted; }

at::Tensor TailSignals::Of(const at::Tensor& tensor) {
  Entry& entry = EntryOf(tensor);
  Multiply(entry);
  at::Tensor sum = entry.whole;
  if (entry.parts.defined()) sum = sum.defined() ? sum + entry.parts : entry.parts;
  if (!entry.rows) return sum;
  return sum.defined() ? sum + Filled(*entry.rows) : Filled(*entry.rows);
}

at::Tensor TailSignals::OfParts(const Operation& cut) {
  bool any = false;
  std::vector<at::Tensor> signals;
  const std::vector<at::Tensor> parts = cut.outputs[0].toTensorVector();
  for (const at::Tensor& part : parts) {
    signals.push_back(Of(part));
    any = any || signals.back().defined();
  }
  if (!any) return {};
  const std::int64_t dim = cut.inputs[2].toInt();
  const at::Tensor whole = Place(cut.tensor(0));
  if (!whole.defined()) {
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (!signals[i].defined()) signals[i] = at::zeros_like(parts[i]);
    }
    return at::cat(signals, dim);
  }
  std::int64_t from = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    at::Tensor place = whole.narrow(dim, from, parts[i].size(dim));
    from += parts[i].size(dim);
    if (!signals[i].defined()) {
      place.zero_();
    } else if (!SameView(place, signals[i])) {
      place.copy_(signals[i]);
    }
  }
  return whole;
}

void TailSignals::Seed(const at::Tensor& point, const at::Tensor& signal) {
  EntryOf(point).whole = signal;
}

void TailSignals::Add(const at::Tensor& tensor, const at::Tensor& signal) {
  Entry& entry = EntryOf(tensor);
  if (!entry.wanted) return;
  Multiply(entry);
  entry.whole = entry.whole.defined() ? entry.whole + signal : signal;
}

void TailSignals::AddProduct(const at::Tensor& tensor, const at::Tensor& left,
                             const at::Tensor& right) {
  Entry& entry = EntryOf(tensor);
  if (!entry.wanted) return;
  if (entry.whole.defined() || entry.product) return Add(tensor, left * right);
  entry.product = {left, right};
}

std::optional<ProductSignal> TailSignals::Product(const at::Tensor& tensor) const {
  const Entry& entry = EntryOf(tensor);
  return entry.parts.defined() || entry.rows ? std::nullopt : entry.product;
}

void TailSignals::AddRow(const at::Tensor& tensor, std::int64_t dim, std::int64_t index,
                         const at::Tensor& signal) {
  Entry& entry = EntryOf(tensor);
  if (!entry.wanted) return;
  dim = Wrap(dim, tensor.dim());
  index = Wrap(index, tensor.size(dim));
  if (GivesRow(entry, tensor, dim)) return entry.take_row(dim, index, signal);
  if (!entry.rows) entry.rows.emplace(tensor, dim);
  Rows& rows = *entry.rows;
  const auto i = static_cast<std::size_t>(index);
  if (rows.dim != dim || rows.filled[i]) {
    at::select(Parts(tensor), dim, index).add_(signal);
  } else {
    rows.Row(index).copy_(signal);
    rows.filled[i] = true;
  }
}

at::Tensor& TailSignals::Parts(const at::Tensor& tensor) {
  at::Tensor& sum = EntryOf(tensor).parts;
  if (!sum.defined()) sum = at::zeros_like(tensor, at::MemoryFormat::Contiguous);
  return sum;
}

void TailSignals::Forget(const at::Tensor& tensor) {
  Entry& entry = EntryOf(tensor);
  entry.whole.reset();
  entry.product.reset();
  entry.parts.reset();
  entry.rows.reset();
  entry.place.reset();
}

at::Tensor TailSignals::Place(const at::Tensor& tensor) {
  const Operation* made_by = Producer(tensor);
  if (made_by == nullptr || !ComesOnce(tensor)) return {};
  if (!made_by->output().defined()) return PlaceOfPart(*made_by, tensor);
  if (made_by->name() == "aten::select") return PlaceOfRow(*made_by);
  if (made_by->name() != "aten::add") return {};
  for (const std::size_t term : {0, 1}) {  // they get the signal of the sum as it is
    if (term == 1 && made_by->inputs[2].toScalar().to<double>() != 1) continue;
    if (!made_by->has_tensor(term) || made_by->tensor(term).sizes() != tensor.sizes()) continue;
    const at::Tensor place = Place(made_by->tensor(term));
    if (place.defined()) return place;
  }
  return {};
}

const at::Tensor& TailSignals::Filled(Rows& rows) {
  for (std::size_t i = 0; i < rows.filled.size(); ++i) {
    if (!rows.filled[i]) rows.Row(static_cast<std::int64_t>(i)).zero_();
    rows.filled[i] = true;
  }
  return rows.of;
}

bool TailSignals::ComesOnce(const at::Tensor& tensor) const {
  const Entry& entry = EntryOf(tensor);
  return entry.wanted && entry.uses == 1;
}

at::Tensor TailSignals::PlaceOfPart(const Operation& cut, const at::Tensor& part) {
  const at::Tensor whole = Place(cut.tensor(0));
  if (!whole.defined()) return {};
  const std::int64_t dim = cut.inputs[2].toInt();
  std::int64_t from = 0;
  for (const at::Tensor& other : cut.outputs[0].toTensorVector()) {
    if (KeyOf(other) == KeyOf(part)) return whole.narrow(dim, from, part.size(dim));
    from += other.size(dim);
  }
  return {};
}

bool TailSignals::GivesRow(const Entry& entry, const at::Tensor& tensor, std::int64_t dim) {
  return entry.take_row && dim + 1 < tensor.dim();
}

at::Tensor TailSignals::PlaceOfRow(const Operation& select) {
  const at::Tensor& tensor = select.tensor(0);
  const Entry& entry = EntryOf(tensor);
  if (!entry.wanted || !GivesRow(entry, tensor, Wrap(select.inputs[1].toInt(), tensor.dim()))) {
    return {};
  }
  at::Tensor& place = EntryOf(select.output()).place;
  if (!place.defined()) place = at::empty(select.output().sizes());
  return place;
}

void TailSignals::Multiply(Entry& entry) {
  if (!entry.product) return;
  entry.whole = entry.product->left * entry.product->right;
  entry.product.reset();
}

}  // namespace ndcao
