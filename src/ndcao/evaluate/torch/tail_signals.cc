#include "ndcao/evaluate/torch/tail_signals.h"

#include <ATen/ATen.h>

#include <utility>

namespace ndcao {
namespace {

const c10::TensorImpl* KeyOf(const at::Tensor& tensor) { return tensor.unsafeGetTensorImpl(); }

std::int64_t Wrap(std::int64_t index, std::int64_t size) {
  return index < 0 ? index + size : index;
}

bool SamePlace(const at::Tensor& a, const at::Tensor& b) {
  return a.data_ptr() == b.data_ptr() && a.sizes() == b.sizes() && a.strides() == b.strides();
}

}  // namespace

TailSignals::Rows::Rows(const at::Tensor& tensor, std::int64_t d)
    : of(at::empty(tensor.sizes())),
      dim(d),
      filled(static_cast<std::size_t>(tensor.size(d)), false),
      given_to(filled.size(), nullptr) {}

at::Tensor TailSignals::Rows::Row(std::int64_t index) const { return at::select(of, dim, index); }

TailSignals::TailSignals(std::unordered_set<const c10::TensorImpl*> inside,
                         const std::vector<const Operation*>& operations)
    : inside_(std::move(inside)) {
  for (const Operation* operation : operations) {
    VisitInputs(*operation, [&](const at::Tensor& t) { ++uses_[KeyOf(t)]; });
    VisitResults(*operation, [&](const at::Tensor& t) { producers_[KeyOf(t)] = operation; });
  }
}

const Operation* TailSignals::Producer(const at::Tensor& tensor) const {
  const auto found = producers_.find(KeyOf(tensor));
  return found == producers_.end() ? nullptr : found->second;
}

bool TailSignals::Wants(const at::Tensor& tensor) const { return inside_.contains(KeyOf(tensor)); }

at::Tensor TailSignals::Of(const at::Tensor& tensor) {
  Multiply(tensor);
  const auto whole = signals_.find(KeyOf(tensor));
  const auto parts = parts_.find(KeyOf(tensor));
  const auto rows = rows_.find(KeyOf(tensor));
  at::Tensor sum = whole == signals_.end() ? at::Tensor() : whole->second;
  if (parts != parts_.end()) sum = sum.defined() ? sum + parts->second : parts->second;
  if (rows == rows_.end()) return sum;
  return sum.defined() ? sum + Filled(rows->second) : Filled(rows->second);
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
    } else if (!SamePlace(place, signals[i])) {
      place.copy_(signals[i]);
    }
  }
  return whole;
}

void TailSignals::Seed(const at::Tensor& point, const at::Tensor& signal) {
  signals_[KeyOf(point)] = signal;
}

void TailSignals::Add(const at::Tensor& tensor, const at::Tensor& signal) {
  if (!Wants(tensor)) return;
  Multiply(tensor);
  const auto [place, fresh] = signals_.try_emplace(KeyOf(tensor), signal);
  if (!fresh) place->second = place->second + signal;
}

void TailSignals::AddProduct(const at::Tensor& tensor, const at::Tensor& left,
                             const at::Tensor& right) {
  if (!Wants(tensor)) return;
  const bool first = !signals_.contains(KeyOf(tensor)) && !products_.contains(KeyOf(tensor));
  if (!first) return Add(tensor, left * right);
  products_[KeyOf(tensor)] = {left, right};
}

std::optional<ProductSignal> TailSignals::Product(const at::Tensor& tensor) const {
  const auto found = products_.find(KeyOf(tensor));
  const bool more = parts_.contains(KeyOf(tensor)) || rows_.contains(KeyOf(tensor));
  if (found == products_.end() || more) return std::nullopt;
  return found->second;
}

// A row that is there already may be in use elsewhere, so it is not added to.
void TailSignals::AddRow(const at::Tensor& tensor, std::int64_t dim, std::int64_t index,
                         const at::Tensor& signal) {
  if (!Wants(tensor)) return;
  dim = Wrap(dim, tensor.dim());
  index = Wrap(index, tensor.size(dim));
  Rows& rows = RowsOf(tensor, dim);
  const auto i = static_cast<std::size_t>(index);
  if (rows.dim == dim && rows.given_to[i] != nullptr && SamePlace(rows.Row(index), signal)) {
    rows.filled[i] = true;
  } else if (rows.dim == dim && !rows.filled[i] && rows.given_to[i] == nullptr) {
    rows.Row(index).copy_(signal);
    rows.filled[i] = true;
  } else {
    at::select(Parts(tensor), dim, index).add_(signal);
  }
}

at::Tensor& TailSignals::Parts(const at::Tensor& tensor) {
  at::Tensor& sum = parts_[KeyOf(tensor)];
  if (!sum.defined()) sum = at::zeros_like(tensor, at::MemoryFormat::Contiguous);
  return sum;
}

void TailSignals::Forget(const at::Tensor& tensor) {
  signals_.erase(KeyOf(tensor));
  products_.erase(KeyOf(tensor));
  parts_.erase(KeyOf(tensor));
  rows_.erase(KeyOf(tensor));
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

TailSignals::Rows& TailSignals::RowsOf(const at::Tensor& tensor, std::int64_t dim) {
  Rows& rows = rows_[KeyOf(tensor)];
  if (!rows.of.defined()) rows = Rows(tensor, dim);
  return rows;
}

const at::Tensor& TailSignals::Filled(Rows& rows) {
  for (std::size_t i = 0; i < rows.filled.size(); ++i) {
    if (!rows.filled[i]) rows.Row(static_cast<std::int64_t>(i)).zero_();
    rows.filled[i] = true;
  }
  return rows.of;
}

bool TailSignals::ComesOnce(const at::Tensor& tensor) const {
  const auto found = uses_.find(KeyOf(tensor));
  return Wants(tensor) && found != uses_.end() && found->second == 1;
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

at::Tensor TailSignals::PlaceOfRow(const Operation& select) {
  const at::Tensor& tensor = select.tensor(0);
  if (!Wants(tensor)) return {};
  const std::int64_t dim = Wrap(select.inputs[1].toInt(), tensor.dim());
  const std::int64_t index = Wrap(select.inputs[2].toInt(), tensor.size(dim));
  const auto i = static_cast<std::size_t>(index);
  Rows& rows = RowsOf(tensor, dim);
  if (rows.dim != dim || rows.filled[i]) return {};
  if (rows.given_to[i] != nullptr && rows.given_to[i] != &select) return {};
  rows.given_to[i] = &select;
  return rows.Row(index);
}

void TailSignals::Multiply(const at::Tensor& tensor) {
  const auto found = products_.find(KeyOf(tensor));
  if (found == products_.end()) return;
  signals_[KeyOf(tensor)] = found->second.left * found->second.right;
  products_.erase(found);
}

}  // namespace ndcao
