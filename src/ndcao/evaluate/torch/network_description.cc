#include "ndcao/evaluate/torch/network_description.h"

#include <cmath>
#include <utility>

namespace ndcao {

void NetworkDescription::Normal(const std::string& layer, const std::string& name,
                                std::vector<std::int64_t> shape, double deviation,
                                Pairing pairing) {
  tensors.push_back({layer, name, std::move(shape), deviation, 0, pairing});
}

void NetworkDescription::Constant(const std::string& layer, const std::string& name,
                                  std::vector<std::int64_t> shape, double value) {
  tensors.push_back({layer, name, std::move(shape), 0, value, Pairing::kNone});
}

void NetworkDescription::Linear(const std::string& layer, std::int64_t in, std::int64_t out) {
  Normal(layer, "weight", {out, in}, 1 / std::sqrt(static_cast<double>(in)));
  Constant(layer, "bias", {out}, 0);
}

void NetworkDescription::Convolution(const std::string& layer, std::int64_t in, std::int64_t out,
                                     std::int64_t kernel) {
  const auto fan_in = static_cast<double>(in * kernel * kernel);
  Normal(layer, "weight", {out, in, kernel, kernel}, 1 / std::sqrt(fan_in));
  Constant(layer, "bias", {out}, 0);
}

std::string NetworkDescription::Source() const {
  if (sections.empty()) return source;
  std::string text = source;
  if (!first_layer.empty()) {
    text += "def rest(self, x):\n" + behind_first;
    for (std::size_t i = 1; i < sections.size(); ++i) text += sections[i].body;
    text += "    return x\n";
  }
  text += "def forward(self, x):\n";
  for (const NetworkSection& section : sections) text += section.body;
  return text + "    return x\n";
}

NetworkDescription NetworkDescription::Part(std::size_t from, std::size_t to) const {
  NetworkDescription part;
  part.source = source;
  part.grid = grid;
  part.pass = pass;
  const std::size_t first = from == 0 ? 0 : sections[from - 1].end;
  for (std::size_t i = first; i < sections[to - 1].end; ++i) {
    part.Constant(tensors[i].layer, tensors[i].name, tensors[i].shape, 0);
  }
  for (std::size_t i = from; i < to; ++i) {
    part.sections.push_back({sections[i].end - first, sections[i].body});
  }
  return part;
}

}  // namespace ndcao
