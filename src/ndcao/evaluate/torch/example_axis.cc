#include "ndcao/evaluate/torch/example_axis.h"

#include <ATen/ATen.h>

namespace ndcao {
namespace {

std::vector<std::int64_t> WithExamples(std::vector<std::int64_t> sizes, std::int64_t count) {
  for (std::int64_t& size : sizes) size = size < 0 ? count : size;
  return sizes;
}

std::int64_t ExamplesIn(const ExampleAxis& axis, at::IntArrayRef sizes) {
  if (axis.split.empty()) return sizes[static_cast<std::size_t>(axis.dim)];
  std::int64_t all = 1;
  std::int64_t others = 1;
  for (const std::int64_t size : sizes) all *= size;
  for (const std::int64_t size : axis.split) others *= size < 0 ? 1 : size;
  return all / others;
}

bool OthersUnchanged(const at::Tensor& rows, const at::Tensor& other_first) {
  return at::allclose(rows.narrow(0, 1, PlanPasses::kFew - 1),
                      other_first.narrow(0, 1, PlanPasses::kFew - 1), 1e-3, 1e-5, true);
}

}  // namespace

at::Tensor ExampleAxis::Rows(const at::Tensor& result) const {
  if (split.empty() && dim == 0 && result.dim() == 2) return result;
  const at::Tensor apart =
      split.empty() ? result
                    : result.reshape(WithExamples(split, ExamplesIn(*this, result.sizes())));
  const at::Tensor first = dim == 0 ? apart : apart.movedim(dim, 0);
  return first.reshape({first.size(0), -1});
}

at::Tensor ExampleAxis::Result(const at::Tensor& rows, at::IntArrayRef sizes) const {
  if (split.empty() && dim == 0) return rows.sizes() == sizes ? rows : rows.view(sizes);
  std::vector<std::int64_t> apart =
      split.empty() ? sizes.vec() : WithExamples(split, ExamplesIn(*this, sizes));
  std::vector<std::int64_t> first = apart;
  first.erase(first.begin() + dim);
  first.insert(first.begin(), apart[static_cast<std::size_t>(dim)]);
  return rows.view(first).movedim(0, dim).reshape(sizes);
}

std::vector<std::int64_t> ExampleAxis::RowSizes(at::IntArrayRef sizes) const {
  std::vector<std::int64_t> apart = split.empty() ? sizes.vec() : split;
  apart.erase(apart.begin() + dim);
  return apart;
}

std::optional<ExampleAxis> FindAxis(const PlanPasses& passes, std::size_t operation,
                                    bool& coupled) {
  const at::Tensor three = passes.three.operations()[operation].output();
  const at::Tensor other = passes.other_first.operations()[operation].output();
  const at::Tensor five = passes.five.operations()[operation].output();
  if (!three.defined() || three.scalar_type() != at::kFloat || three.dim() != five.dim()) {
    return std::nullopt;
  }
  std::int64_t dim = -1;
  for (std::int64_t i = 0; i < three.dim(); ++i) {
    if (three.size(i) == five.size(i)) continue;
    if (dim >= 0 || three.size(i) % PlanPasses::kFew != 0 ||
        five.size(i) % PlanPasses::kMore != 0 ||
        three.size(i) / PlanPasses::kFew != five.size(i) / PlanPasses::kMore) {
      return std::nullopt;
    }
    dim = i;
  }
  if (dim < 0) return std::nullopt;
  const std::int64_t inner = three.size(dim) / PlanPasses::kFew;
  std::vector<ExampleAxis> candidates;
  if (inner == 1) {
    candidates = {{{}, dim}};
  } else {
    for (const std::int64_t first : {0, 1}) {
      std::vector<std::int64_t> split = three.sizes().vec();
      split[static_cast<std::size_t>(dim)] = first == 0 ? -1 : inner;
      split.insert(split.begin() + dim + 1, first == 0 ? inner : -1);
      candidates.push_back({split, dim + first});
    }
  }
  for (const ExampleAxis& axis : candidates) {
    if (OthersUnchanged(axis.Rows(three), axis.Rows(other))) return axis;
  }
  coupled = true;
  return std::nullopt;
}

}  // namespace ndcao
