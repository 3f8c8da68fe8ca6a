#include "ndcao/journal/nats/manifest.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "ndcao/base/hash.h"

namespace ndcao {

std::string Manifest::Encode() const {
  nlohmann::ordered_json json;
  json["length"] = length;
  json["hash"] = Hex(hash);
  json["slot"] = slot;
  json["chunks"] = sequences;
  json["about"] = nlohmann::ordered_json::parse(about.empty() ? "{}" : about);
  return json.dump();
}

Result<Manifest> Manifest::Decode(const std::string& text) {
  Manifest manifest;
  try {
    const auto json = nlohmann::ordered_json::parse(text);
    manifest.length = json.at("length");
    const std::string hash = json.at("hash");
    std::from_chars(hash.data(), hash.data() + hash.size(), manifest.hash, 16);
    manifest.slot = json.at("slot").get<int>() == 1 ? 1 : 0;
    manifest.sequences = json.at("chunks").get<std::vector<std::uint64_t>>();
    manifest.about = json.at("about").dump();
  } catch (const nlohmann::json::exception& error) {
    return Corrupt(std::string("no manifest: ") + error.what());
  }
  return manifest;
}

}  // namespace ndcao
