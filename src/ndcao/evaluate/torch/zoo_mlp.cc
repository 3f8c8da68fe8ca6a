// mlp:A-B-…-Z: linear layers with rectifiers between them.
#include <fmt/format.h>

#include <charconv>
#include <numeric>
#include <sstream>

#include "ndcao/evaluate/torch/zoo_families.h"

namespace ndcao::zoo {

std::int64_t FeaturesOf(const DataShape& data) {
  return std::accumulate(data.example.begin(), data.example.end(), std::int64_t{1},
                         std::multiplies<>());
}

Result<std::vector<std::int64_t>> ParseWidths(const Request& request) {
  std::vector<std::int64_t> widths;
  std::istringstream words(request.argument + "-");
  for (std::string word; std::getline(words, word, '-');) {
    std::int64_t width = 0;
    const auto parsed = std::from_chars(word.data(), word.data() + word.size(), width);
    const bool whole = parsed.ec == std::errc() && parsed.ptr == word.data() + word.size();
    if (!whole || width < 1 || width > 1'000'000) {
      widths.clear();
      break;
    }
    widths.push_back(width);
  }
  if (widths.size() < 2) {
    return Invalid(
        fmt::format("--model {}: expected widths such as "
                    "784-256-10, each from 1 to 1000000",
                    request.name));
  }
  if (widths.front() != FeaturesOf(request.data) || widths.back() != request.data.classes) {
    return Invalid(
        fmt::format("--model {}: it takes {} values and has {} outputs, but the data has "
                    "{} values "
                    "(shape [{}]) and {} classes",
                    request.name, widths.front(), widths.back(), FeaturesOf(request.data),
                    fmt::join(request.data.example, ", "), request.data.classes));
  }
  return widths;
}

Result<NetworkDescription> Mlp(const Request& request) {
  NDCAO_ASSIGN(const auto widths, ParseWidths(request));
  NetworkDescription network;
  for (std::size_t i = 1; i < widths.size(); ++i) {
    const std::string layer = fmt::format("fc{}", i);
    network.Linear(layer, widths[i - 1], widths[i]);
    const std::string rectifier = i + 1 < widths.size() ? "    x = torch.relu(x)\n" : "";
    std::string body = i == 1 ? "    x = x.flatten(1)\n" : "";
    body += fmt::format("    x = torch.linear(x, self.{0}.weight, self.{0}.bias)\n", layer);
    network.Section(body + rectifier);
    // Behind a shared layer, in its place: nobody else reads it.
    if (i == 1) network.ShareFirstLayer(layer, rectifier.empty() ? "" : "    x = x.relu_()\n");
  }
  return network;
}

}  // namespace ndcao::zoo
