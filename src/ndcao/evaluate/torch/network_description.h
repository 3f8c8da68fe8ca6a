// A built-in network as data: its parameters in order, and the TorchScript
// source of its methods. (No Torch in this header.)
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ndcao {

/// What a forward pass makes of parameters before it uses them.
enum class WeightGrid {
  kNone,     ///< Uses them as they are.
  kBinary,   ///< −1 or +1, by their sign.
  kInteger,  ///< The nearest integer, at most ±127.
};

/// How the initial values of a matrix repeat themselves.
enum class Pairing {
  kNone,
  kEqualRows,        ///< Row 2i + 1 is row 2i.
  kOppositeColumns,  ///< Column 2i + 1 is column 2i, negated.
};

struct TensorDescription {
  std::string layer;  ///< "fc1"
  std::string name;   ///< "weight"
  std::vector<std::int64_t> shape;
  double deviation = 0;  ///< Initial values: N(0, deviation²), or
  double value = 0;      ///< this one, where the deviation is 0.
  Pairing pairing = Pairing::kNone;
};

struct NetworkDescription {
  std::vector<TensorDescription> tensors;
  std::string source;  ///< Methods, `forward` among them, that use self.LAYER.NAME.
  WeightGrid grid = WeightGrid::kNone;
  /// A linear layer of the flattened input with which `forward` begins; the method `rest` makes the
  /// outputs of what it answers. Empty: the network has no such parts.
  std::string first_layer;
  /// Examples in one forward pass for which its activations stay in the processor's cache: more of
  /// them are slower and take more memory (docs/benchmarks.md). 0: any number.
  std::int64_t pass = 0;

  void Normal(const std::string& layer, const std::string& name, std::vector<std::int64_t> shape,
              double deviation, Pairing pairing = Pairing::kNone);
  void Constant(const std::string& layer, const std::string& name, std::vector<std::int64_t> shape,
                double value);
  /// Weight [out, in], N(0, 1/in), and bias [out], 0, of a linear layer.
  void Linear(const std::string& layer, std::int64_t in, std::int64_t out);
  /// Weight [out, in, kernel, kernel], N(0, 1/fan-in), and bias [out], 0, of a convolution.
  void Convolution(const std::string& layer, std::int64_t in, std::int64_t out,
                   std::int64_t kernel);
};

}  // namespace ndcao
