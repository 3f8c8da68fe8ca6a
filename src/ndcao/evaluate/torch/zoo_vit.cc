// vit-tiny: a vision transformer (Dosovitskiy et al., 2021) on a 4 × 4 grid of
// patches: 64 features, 2 layers of 4 heads with layer normalisation in front,
// the mean of the tokens at the end.
#include <fmt/format.h>

#include <cmath>

#include "ndcao/evaluate/torch/zoo_families.h"

namespace ndcao::zoo {
namespace {

constexpr int kGrid = 4;
constexpr int kWidth = 64;
constexpr int kHeads = 4;
constexpr int kInner = 128;
constexpr int kLayers = 2;

void AddNorm(NetworkDescription& network, const std::string& name) {
  network.Constant(name, "weight", {kWidth}, 1);
  network.Constant(name, "bias", {kWidth}, 0);
}

// Methods that all layers share.
constexpr char kMethods[] = R"(
    def attend(self, x, weight, bias):
        n, t, w = x.shape
        q, k, v = torch.linear(x, weight, bias).view(n, t, 3, {0}, {1}).permute(2, 0, 3, 1, 4).unbind(0)
        a = torch.softmax(torch.matmul(q, k.transpose(2, 3)) * {2:.6f}, 3)
        return torch.matmul(a, v).transpose(1, 2).reshape(n, t, w)
)";

constexpr char kLayer[] = R"(
        y = torch.layer_norm(x, [{1}], self.{0}norm1.weight, self.{0}norm1.bias)
        y = self.attend(y, self.{0}qkv.weight, self.{0}qkv.bias)
        x = x + torch.linear(y, self.{0}out.weight, self.{0}out.bias)
        y = torch.layer_norm(x, [{1}], self.{0}norm2.weight, self.{0}norm2.bias)
        y = torch.gelu(torch.linear(y, self.{0}fc1.weight, self.{0}fc1.bias))
        x = x + torch.linear(y, self.{0}fc2.weight, self.{0}fc2.bias)
)";

}  // namespace

Result<NetworkDescription> VitTiny(const Request& request) {
  NDCAO_ASSIGN(const Image image, ImageOf(request));
  if (image.height % kGrid != 0 || image.width % kGrid != 0) {
    return Invalid(
        fmt::format("--model {}: it needs images whose height and "
                    "width 4 divides, but the data's are {} x {}",
                    request.name, image.height, image.width));
  }
  const std::int64_t rows = image.height / kGrid;
  const std::int64_t columns = image.width / kGrid;
  NetworkDescription network;
  network.Linear("patch", image.channels * rows * columns, kWidth);
  network.Normal("position", "weight", {kGrid * kGrid, kWidth}, 0.5);
  std::string& source = network.source;
  source = fmt::format(kMethods, kHeads, kWidth / kHeads,
                       1 / std::sqrt(static_cast<double>(kWidth / kHeads)));
  source += fmt::format(R"(
    def forward(self, x):
        x = x.view(x.size(0), {0}, {1}, {2}, {1}, {3}).permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)
        x = torch.linear(x, self.patch.weight, self.patch.bias) + self.position.weight
)",
                        image.channels, kGrid, rows, columns);
  for (int i = 1; i <= kLayers; ++i) {
    const std::string layer = fmt::format("layer{}", i);
    AddNorm(network, layer + "norm1");
    network.Linear(layer + "qkv", kWidth, 3 * kWidth);
    network.Linear(layer + "out", kWidth, kWidth);
    AddNorm(network, layer + "norm2");
    network.Linear(layer + "fc1", kWidth, kInner);
    network.Linear(layer + "fc2", kInner, kWidth);
    source += fmt::format(kLayer, layer, kWidth);
  }
  AddNorm(network, "norm");
  network.Linear("fc", kWidth, request.data.classes);
  source += fmt::format(R"(
        x = torch.layer_norm(x, [{}], self.norm.weight, self.norm.bias).mean(1)
        return torch.linear(x, self.fc.weight, self.fc.bias)
)",
                        kWidth);
  return network;
}

}  // namespace ndcao::zoo
