// Where each named tensor of a network lies in the flat parameter vector θ.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ndcao {

/// One named tensor: `size` values from `offset`, row-major.
struct Tensor {
  std::string name;                 ///< "conv1.weight"
  std::vector<std::int64_t> shape;  ///< empty for a scalar
  std::uint64_t offset = 0;
  std::uint64_t size = 0;

  /// The layer it belongs to: its name without the last component ("conv1"), or its name.
  std::string layer() const;
  /// Units it has: rows, the extent of its first dimension (1 for a scalar).
  std::uint64_t units() const { return shape.empty() ? 1 : static_cast<std::uint64_t>(shape[0]); }
};

/// The tensors in order, without gaps.
class Layout {
 public:
  /// Appends a tensor behind the ones there are.
  void Add(std::string name, std::vector<std::int64_t> shape);

  const std::vector<Tensor>& tensors() const { return tensors_; }
  /// Number of parameters, d.
  std::uint64_t size() const { return size_; }

  /// A layout of one nameless vector, for problems that are no networks.
  static Layout Flat(std::uint64_t size);

 private:
  std::vector<Tensor> tensors_;
  std::uint64_t size_ = 0;
};

}  // namespace ndcao
