#include "ndcao/cli/block_config.h"

#include <fmt/format.h>

#include <map>
#include <string_view>
#include <vector>

#include "ndcao/base/toml_text.h"
#include "ndcao/cli/files.h"
#include "ndcao/cli/problem_defaults.h"

namespace ndcao {
namespace {

/// What a key's value has to be.
struct Kind {
  const char* name;
  bool (*fits)(const toml::node&);
};

const std::map<std::string_view, Kind>& Keys() {
  static const Kind kText = {"text", [](const toml::node& node) { return node.is_string(); }};
  static const Kind kNumber = {"number", [](const toml::node& node) { return node.is_number(); }};
  static const Kind kFlag = {"true or false",
                             [](const toml::node& node) { return node.is_boolean(); }};
  static const std::map<std::string_view, Kind> kKeys = {
      {"eps", kNumber},   {"frozen", kFlag}, {"loss-floor", kNumber}, {"optimizer", kText},
      {"pattern", kText}, {"rate", kNumber}, {"sigma", kNumber}};
  return kKeys;
}

Result<BlockOverride> ReadOverride(const toml::table& table, const RunSpec& spec) {
  for (const auto& [key, value] : table) {
    const auto known = Keys().find(key.str());
    if (known == Keys().end()) {
      std::vector<std::string_view> allowed;
      for (const auto& [name, kind] : Keys()) allowed.push_back(name);
      return Invalid(
          fmt::format("key '{}' is unknown; allowed: {}", key.str(), fmt::join(allowed, ", ")));
    }
    const bool freezes = known->first == "pattern" || known->first == "frozen";
    if (spec.probe == ProbeTarget::kActivations && !freezes) {
      return Invalid(fmt::format(
          "key '{}': with --probe activations a table can freeze blocks, and no more", key.str()));
    }
    const Kind& kind = known->second;
    if (!kind.fits(value)) return Invalid(fmt::format("'{}' is no {}", key.str(), kind.name));
  }
  BlockOverride result{table["pattern"].value_or(std::string()), spec.options};
  if (result.pattern.empty()) return Invalid("'pattern' is missing");
  if (const auto name = table["optimizer"].value<std::string>()) {
    NDCAO_ASSIGN(const OptimizerDefaults defaults, DefaultsFor(*name, spec));
    result.options = defaults.options;
  }
  BlockOptions& options = result.options;
  if (const auto sigma = table["sigma"].value<double>()) {  // it falls as the run's does
    if (options.sigma > 0) options.sigma_end *= *sigma / options.sigma;
    options.sigma = *sigma;
  }
  options.frozen = table["frozen"].value_or(options.frozen);
  options.noise_budget.eps = table["eps"].value_or(options.noise_budget.eps);
  options.peer.rate = table["rate"].value_or(options.peer.rate);
  if (const auto floor = table["loss-floor"].value<double>()) options.loss_floor = *floor;
  return result;
}

Status ReadOverrides(const std::string& path, RunSpec& spec) {
  NDCAO_ASSIGN(const std::string text, ReadText(path));
  NDCAO_ASSIGN(const toml::table parsed, ParseToml(text));
  const toml::array* blocks = parsed["block"].as_array();
  if (blocks == nullptr) return Invalid("'block' is no array of tables ([[block]])");
  for (const toml::node& node : *blocks) {
    if (!node.is_table()) return Invalid("'block' is no array of tables ([[block]])");
    NDCAO_ASSIGN(BlockOverride entry, ReadOverride(*node.as_table(), spec));
    spec.overrides.push_back(std::move(entry));
  }
  return Ok();
}

}  // namespace

Status ResolveBlocks(const std::string& blocks, const std::string& config, RunSpec& spec) {
  spec.blocks = blocks;
  for (const std::string kind : {"pattern", "file"}) {
    if (!blocks.starts_with(kind + ":")) continue;
    NDCAO_ASSIGN(spec.blocks_text, ReadText(blocks.substr(kind.size() + 1)));
    spec.blocks = kind;
  }
  if (config.empty()) return Ok();
  const Status read = ReadOverrides(config, spec);
  if (!read.ok()) return read.error().Context("--config " + config);
  return Ok();
}

}  // namespace ndcao
