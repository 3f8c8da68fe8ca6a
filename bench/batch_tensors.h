// A batch of a data set as LibTorch takes it, for what is compared with autograd.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <span>
#include <vector>

#include "ndcao/data/dataset.h"

namespace ndcao {

/// Shape: the examples, then that of one.
inline at::Tensor InputTensor(const Dataset& data, const Examples& part,
                              std::span<const std::uint32_t> indices) {
  std::vector<std::int64_t> shape = data.shape();
  shape.insert(shape.begin(), static_cast<std::int64_t>(indices.size()));
  at::Tensor input = at::empty(shape);
  data.Gather(part, indices, {input.data_ptr<float>(), static_cast<std::size_t>(input.numel())});
  return input;
}

inline at::Tensor LabelTensor(const Examples& part, std::span<const std::uint32_t> indices) {
  at::Tensor labels = at::empty({static_cast<std::int64_t>(indices.size())}, at::kLong);
  auto* out = labels.data_ptr<std::int64_t>();
  for (const std::uint32_t i : indices) *out++ = part.labels[i];
  return labels;
}

}  // namespace ndcao
