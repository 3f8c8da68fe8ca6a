// bnn:A-B-…-Z and int8-mlp:A-B-…-Z: networks whose loss is a staircase. The parameters are float32
// values that the optimizer moves; the forward pass sees nothing of them but their sign, or the
// integer next to them. Every sum in them is a sum of integers, exact in float32.
#include <fmt/format.h>

#include <cmath>

#include "ndcao/evaluate/torch/zoo_families.h"

namespace ndcao::zoo {
namespace {

// Deviation of int8 parameters at the start, in steps of the grid.
constexpr double kIntegerSpread = 24;
// A pixel of one deviation is this many steps; so is a unit's activation.
constexpr double kActivationSteps = 32;

}  // namespace

at::Tensor BinaryWeights(at::Tensor parameters) { return at::copysign(at::ones({1}), parameters); }

at::Tensor IntegerWeights(at::Tensor parameters) { return parameters.round().clamp(-127, 127); }

// No biases: each parameter is one bit. The outputs are the last sums over √fan-in.
Result<torch::jit::Module> BuildBinaryMlp(const Request& request, ModuleBuilder builder) {
  NDCAO_ASSIGN(const auto widths, ParseWidths(request));
  std::string source = "def forward(self, x):\n    one = torch.ones([1])\n    x = x.flatten(1)\n";
  for (std::size_t i = 1; i < widths.size(); ++i) {
    const std::string layer = fmt::format("fc{}", i);
    builder.Normal(layer, "weight", {widths[i], widths[i - 1]}, 1);
    source += fmt::format(
        "    x = torch.linear(x, torch.copysign(one, self.{}.weight.to(x.dtype)))\n", layer);
    if (i + 1 < widths.size()) source += "    x = torch.copysign(one, x)\n";
  }
  const double scale = 1 / std::sqrt(static_cast<double>(widths[widths.size() - 2]));
  return builder.Build(source + fmt::format("    return x * {:.8f}\n", scale));
}

// Inputs are rounded to −127 … 127, activations to 0 … 127, both in steps of 1/32; a bias is the
// weight of an input that is always 32. A layer's sums are scaled by a fixed number, which keeps
// activations at their size at the start.
Result<torch::jit::Module> BuildIntegerMlp(const Request& request, ModuleBuilder builder) {
  NDCAO_ASSIGN(const auto widths, ParseWidths(request));
  std::string source = fmt::format(
      "def grid(self, w):\n    return w.to(torch.float32).round().clamp(-127, 127)\n"
      "def forward(self, x):\n    x = (x.flatten(1) * {}).round().clamp(-127, 127)\n",
      kActivationSteps);
  for (std::size_t i = 1; i < widths.size(); ++i) {
    const std::string layer = fmt::format("fc{}", i);
    const bool last = i + 1 == widths.size();
    builder.Normal(layer, "weight", {widths[i], widths[i - 1]}, kIntegerSpread);
    builder.Constant(layer, "bias", {widths[i]}, 0);
    double scale = 1 / (kIntegerSpread * std::sqrt(static_cast<double>(widths[i - 1])));
    if (last) scale /= kActivationSteps;
    source += fmt::format(
        "    x = torch.linear(x, self.grid(self.{0}.weight), self.grid(self.{0}.bias) * {1}) * "
        "{2:.9f}\n",
        layer, kActivationSteps, scale);
    if (!last) source += "    x = x.round().clamp(0, 127)\n";
  }
  return builder.Build(source + "    return x\n");
}

}  // namespace ndcao::zoo
