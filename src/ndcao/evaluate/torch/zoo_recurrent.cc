// lstm:INxHIDDEN: one LSTM layer that reads an image row by row, and a linear
// layer on its last state. A row is IN values: width × channels.
#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "ndcao/evaluate/torch/zoo_families.h"

namespace ndcao::zoo {
namespace {

struct LstmSizes {
  std::int64_t in = 0;
  std::int64_t hidden = 0;
};

Result<LstmSizes> ParseSizes(const Request& request) {
  LstmSizes sizes;
  const char* end = request.argument.data() + request.argument.size();
  const auto in = std::from_chars(request.argument.data(), end, sizes.in);
  if (in.ec == std::errc() && in.ptr != end && *in.ptr == 'x') {
    const auto hidden = std::from_chars(in.ptr + 1, end, sizes.hidden);
    if (hidden.ec == std::errc() && hidden.ptr == end && sizes.in > 0 && sizes.hidden > 0 &&
        sizes.hidden <= 100'000) {
      return sizes;
    }
  }
  return Invalid(
      fmt::format("--model {}: expected INxHIDDEN such as 28x128: "
                  "values in a row, units from 1 to 100000",
                  request.name));
}

}  // namespace

Result<NetworkDescription> Lstm(const Request& request) {
  NDCAO_ASSIGN(const LstmSizes sizes, ParseSizes(request));
  NDCAO_ASSIGN(const Image image, ImageOf(request));
  if (sizes.in != image.width * image.channels) {
    return Invalid(
        fmt::format("--model {}: it takes rows of {} values, but "
                    "the data's images [{}] have rows "
                    "of {}",
                    request.name, sizes.in, fmt::join(request.data.example, ", "),
                    image.width * image.channels));
  }
  // The gates' weights, in the order input, forget, cell, output. The forget gate starts open.
  const std::int64_t gates = 4 * sizes.hidden;
  NetworkDescription network;
  network.Normal("input", "weight", {gates, sizes.in}, 1 / std::sqrt(double(sizes.in)));
  network.Normal("state", "weight", {gates, sizes.hidden}, 1 / std::sqrt(double(sizes.hidden)));
  network.Constant("state", "bias", {gates}, 0);
  network.Linear("fc", sizes.hidden, request.data.classes);
  network.source = fmt::format(R"(def forward(self, x):
    rows = x.permute(2, 0, 1, 3).flatten(2)
    inputs = torch.linear(rows, self.input.weight, self.state.bias)
    h = torch.zeros([x.size(0), {0}], dtype=x.dtype)
    c = torch.zeros([x.size(0), {0}], dtype=x.dtype)
    for t in range(rows.size(0)):
        g = inputs[t] + torch.linear(h, self.state.weight)
        i, f, z, o = g.chunk(4, 1)
        c = torch.sigmoid(f + 1) * c + torch.sigmoid(i) * torch.tanh(z)
        h = torch.sigmoid(o) * torch.tanh(c)
    return torch.linear(h, self.fc.weight, self.fc.bias)
)",
                               sizes.hidden);
  return network;
}

}  // namespace ndcao::zoo
