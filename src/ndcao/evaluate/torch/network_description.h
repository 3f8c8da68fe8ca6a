// A built-in network as data: its parameters in order, and the TorchScript
// source of its methods. (No Torch in this header.)
#pragma once

#include <cstdint>
#include <string>
#include <utility>
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

/// A stretch of the forward pass that takes one value and hands on one: a network can be cut
/// behind it.
struct NetworkSection {
  std::size_t end = 0;  ///< Its tensors begin where those of the section before end.
  std::string body;     ///< Statements, indented by four, that read x and set it.
};

struct NetworkDescription {
  std::vector<TensorDescription> tensors;
  /// Methods that use self.LAYER.NAME; `forward` among them if there are no sections.
  std::string source;
  std::vector<NetworkSection> sections;  ///< `forward`, if it is a sequence of such.
  WeightGrid grid = WeightGrid::kNone;
  /// A linear layer of the flattened input with which `forward` begins; the method `rest` makes the
  /// outputs of what it answers: `behind_first`, then the other sections. Empty: there is none.
  std::string first_layer;
  std::string behind_first;
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
  /// Ends a section, which uses the tensors added since the last one.
  void Section(std::string body) { sections.push_back({tensors.size(), std::move(body)}); }

  /// Says so of the first section: `behind` is what it does with the layer's answer.
  void ShareFirstLayer(std::string layer, std::string behind) {
    first_layer = std::move(layer);
    behind_first = std::move(behind);
  }

  /// All methods, as TorchScript.
  std::string Source() const;
  /// Sections `from` to `to` (exclusive) as a network of their own. Its initial values are zeros.
  NetworkDescription Part(std::size_t from, std::size_t to) const;
};

}  // namespace ndcao
