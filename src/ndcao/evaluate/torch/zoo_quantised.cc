// bnn:A-B-…-Z and int8-mlp:A-B-…-Z: networks whose loss is a staircase. The parameters are float32
// values that the optimizer moves; the forward pass sees nothing of them but their sign, or the
// integer next to them.
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

// No biases: each parameter is one bit. The outputs are the last sums over √fan-in. The last hidden
// units start as pairs that cancel each other, so that all outputs are 0: any change of the weights
// then raises the expected loss, as near a minimum. From a random start it would not: one random
// network is as good as another, and the optimizer's step rule, which needs a positive curvature,
// could wait for ever.
Result<NetworkDescription> BinaryMlp(const Request& request) {
  NDCAO_ASSIGN(const auto widths, ParseWidths(request));
  NetworkDescription network;
  network.grid = WeightGrid::kBinary;
  std::string& source = network.source;
  source =
      "def forward(self, x):\n    one = torch.ones([1])\n    x = "
      "x.flatten(1)\n";
  for (std::size_t i = 1; i < widths.size(); ++i) {
    const std::string layer = fmt::format("fc{}", i);
    const Pairing pairing = i + 1 == widths.size()   ? Pairing::kOppositeColumns
                            : i + 2 == widths.size() ? Pairing::kEqualRows
                                                     : Pairing::kNone;
    network.Normal(layer, "weight", {widths[i], widths[i - 1]}, 1, pairing);
    source += fmt::format(
        "    x = torch.linear(x, torch.copysign(one, "
        "self.{}.weight.to(x.dtype)))\n",
        layer);
    if (i + 1 < widths.size()) source += "    x = torch.copysign(one, x)\n";
  }
  const double scale = 1 / std::sqrt(static_cast<double>(widths[widths.size() - 2]));
  source += fmt::format("    return x * {:.8f}\n", scale);
  return network;
}

// Inputs are rounded to −127 … 127, activations to 0 … 127, both in steps of
// 1/32; a bias is the weight of an input that is always 32. A layer's sums are
// scaled by a fixed number, which keeps activations at their size at the start.
Result<NetworkDescription> IntegerMlp(const Request& request) {
  NDCAO_ASSIGN(const auto widths, ParseWidths(request));
  NetworkDescription network;
  network.grid = WeightGrid::kInteger;
  std::string& source = network.source;
  source = fmt::format(R"(def grid(self, w, x):
    return w.to(x.dtype).round().clamp(-127, 127)
def forward(self, x):
    x = (x.flatten(1) * {}).round().clamp(-127, 127)
)",
                       kActivationSteps);
  for (std::size_t i = 1; i < widths.size(); ++i) {
    const std::string layer = fmt::format("fc{}", i);
    const bool last = i + 1 == widths.size();
    network.Normal(layer, "weight", {widths[i], widths[i - 1]}, kIntegerSpread);
    network.Constant(layer, "bias", {widths[i]}, 0);
    double scale = 1 / (kIntegerSpread * std::sqrt(static_cast<double>(widths[i - 1])));
    if (last) scale /= kActivationSteps;
    source += fmt::format("    w = self.grid(self.{0}.weight, x)\n", layer);
    source += fmt::format("    b = self.grid(self.{0}.bias, x) * {1}\n", layer, kActivationSteps);
    source += fmt::format("    x = torch.linear(x, w, b) * {:.9g}\n", scale);
    if (!last) source += "    x = x.round().clamp(0, 127)\n";
  }
  source += "    return x\n";
  return network;
}

}  // namespace ndcao::zoo
