#include "ndcao/params/layout.h"

#include <utility>

namespace ndcao {

std::string Tensor::layer() const {
  const auto dot = name.rfind('.');
  return dot == std::string::npos ? name : name.substr(0, dot);
}

void Layout::Add(std::string name, std::vector<std::int64_t> shape) {
  Tensor tensor{std::move(name), std::move(shape), size_, 1};
  for (const std::int64_t extent : tensor.shape) tensor.size *= static_cast<std::uint64_t>(extent);
  size_ += tensor.size;
  tensors_.push_back(std::move(tensor));
}

Layout Layout::Flat(std::uint64_t size) {
  Layout layout;
  layout.Add("parameters", {static_cast<std::int64_t>(size)});
  return layout;
}

}  // namespace ndcao
