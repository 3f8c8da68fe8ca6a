// cnn11k and lenet5: convolutions, pooling, linear layers.
#include <fmt/format.h>

#include "ndcao/evaluate/torch/zoo_families.h"

namespace ndcao::zoo {
namespace {

// Activations are small here: with passes of 64 examples both networks are a twentieth slower.
constexpr std::int64_t kCnnPass = 128;
constexpr std::int64_t kLeNetPass = 256;

// LibTorch's max_pool2d takes more than half of LeNet's time on a CPU; the
// maximum of strided slices is the same function, ten times faster.
constexpr char kPool[] = R"(
def pool(self, x):
    rows = torch.maximum(x[:, :, 0::2], x[:, :, 1::2])
    return torch.maximum(rows[:, :, :, 0::2], rows[:, :, :, 1::2])
)";

std::string PooledConvolution(const char* layer, int padding) {
  return fmt::format(
      "    x = self.pool(torch.conv2d(x, self.{0}.weight, self.{0}.bias, padding={1})).relu()\n",
      layer, padding);
}

Error WrongSize(const Request& request, const Image& image, const char* needed) {
  return Invalid(fmt::format("--model {}: it needs images of {}, but the data's are {} x {}",
                             request.name, needed, image.height, image.width));
}

}  // namespace

Result<Image> ImageOf(const Request& request) {
  const auto& shape = request.data.example;
  if (shape.size() == 3) return Image{shape[0], shape[1], shape[2]};
  return Invalid(
      fmt::format("--model {}: it needs images [channels, height, "
                  "width], but the data's examples have shape "
                  "[{}]",
                  request.name, fmt::join(shape, ", ")));
}

Result<NetworkDescription> Cnn11k(const Request& request) {
  NDCAO_ASSIGN(const Image image, ImageOf(request));
  if (image.height % 4 != 0 || image.width % 4 != 0) {
    return WrongSize(request, image, "a height and width that 4 divides");
  }
  NetworkDescription network;
  network.source = kPool;
  network.Convolution("conv1", image.channels, 8, 5);
  network.Section(PooledConvolution("conv1", 2));
  network.Convolution("conv2", 8, 16, 5);
  network.Section(PooledConvolution("conv2", 2));
  network.Linear("fc", 16 * (image.height / 4) * (image.width / 4), request.data.classes);
  network.Section("    x = torch.linear(x.flatten(1), self.fc.weight, self.fc.bias)\n");
  network.pass = kCnnPass;
  return network;
}

// LeNet-5 is for images of 32 × 32; those of 28 × 28 are padded to that.
Result<NetworkDescription> LeNet5(const Request& request) {
  NDCAO_ASSIGN(const Image image, ImageOf(request));
  const bool small = image.height == 28 && image.width == 28;
  if (!small && (image.height != 32 || image.width != 32)) {
    return WrongSize(request, image, "28 x 28 or 32 x 32");
  }
  NetworkDescription network;
  network.source = kPool;
  network.Convolution("conv1", image.channels, 6, 5);
  network.Section(PooledConvolution("conv1", small ? 2 : 0));
  network.Convolution("conv2", 6, 16, 5);
  network.Section(PooledConvolution("conv2", 0));
  network.Linear("fc1", 400, 120);
  network.Section("    x = torch.linear(x.flatten(1), self.fc1.weight, self.fc1.bias).relu()\n");
  network.Linear("fc2", 120, 84);
  network.Section("    x = torch.linear(x, self.fc2.weight, self.fc2.bias).relu()\n");
  network.Linear("fc3", 84, request.data.classes);
  network.Section("    x = torch.linear(x, self.fc3.weight, self.fc3.bias)\n");
  network.pass = kLeNetPass;
  return network;
}

}  // namespace ndcao::zoo
