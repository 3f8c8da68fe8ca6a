// resnet8 and resnet20: the residual networks of He et al. (2015) for small images, without batch
// normalisation: a block adds a fixed fraction of its branch, 1/√blocks, to what passes by it, so
// that activations keep their size at any depth.
#include <fmt/format.h>

#include <cmath>

#include "ndcao/evaluate/torch/zoo_families.h"

namespace ndcao::zoo {
namespace {

// 16, 32 and 64 channels, with `depth` blocks each; the first block of a later stage halves the
// image, and its shortcut takes every other pixel and adds empty channels (option A of the paper).
Result<NetworkDescription> ResNet(const Request& request, int depth) {
  NDCAO_ASSIGN(const Image image, ImageOf(request));
  const double scale = 1 / std::sqrt(3.0 * depth);
  NetworkDescription network;
  network.Convolution("conv", image.channels, 16, 3);
  network.Section("    x = torch.conv2d(x, self.conv.weight, self.conv.bias, padding=1).relu()\n");
  std::int64_t channels = 16;
  for (int stage = 0; stage < 3; ++stage) {
    for (int i = 0; i < depth; ++i) {
      const bool halve = stage > 0 && i == 0;
      const std::int64_t out = halve ? 2 * channels : channels;
      const std::string block = fmt::format("stage{}block{}", stage + 1, i + 1);
      network.Convolution(block + "conv1", channels, out, 3);
      network.Convolution(block + "conv2", out, out, 3);
      std::string body = fmt::format(
          "    y = torch.conv2d(x, self.{0}conv1.weight, self.{0}conv1.bias, "
          "stride={1}, padding=1).relu()\n"
          "    y = torch.conv2d(y, self.{0}conv2.weight, self.{0}conv2.bias, "
          "padding=1)\n",
          block, halve ? 2 : 1);
      if (halve) {
        body +=
            "    x = x[:, :, ::2, ::2]\n    x = torch.cat([x, "
            "torch.zeros_like(x)], 1)\n";
      }
      body += fmt::format("    x = torch.add(x, y, alpha={:.6f}).relu()\n", scale);
      network.Section(std::move(body));
      channels = out;
    }
  }
  network.Linear("fc", channels, request.data.classes);
  network.Section("    x = torch.linear(x.mean([2, 3]), self.fc.weight, self.fc.bias)\n");
  network.pass = kConvolutionPass;
  return network;
}

}  // namespace

Result<NetworkDescription> ResNet8(const Request& request) { return ResNet(request, 1); }

Result<NetworkDescription> ResNet20(const Request& request) { return ResNet(request, 3); }

}  // namespace ndcao::zoo
