#include "ndcao/cli/config_file.h"

#include <fmt/format.h>

#include <algorithm>

#include "ndcao/base/toml_text.h"
#include "ndcao/cli/files.h"

namespace ndcao {
namespace {

Result<std::string> FlagValue(const std::string& key, const toml::node& node) {
  if (const auto text = node.value<std::string>()) return *text;
  if (const auto* number = node.as_integer()) return fmt::format("{}", number->get());
  if (const auto* number = node.as_floating_point()) return fmt::format("{}", number->get());
  return Invalid(fmt::format("'{}' is neither text, number nor true/false", key));
}

Result<std::vector<std::string>> FlagsOf(const std::string& path) {
  NDCAO_ASSIGN(const std::string text, ReadText(path));
  const Result<toml::table> parsed = ParseToml(text);
  if (!parsed.ok()) return parsed.error().Context("--config " + path);
  std::vector<std::string> flags;
  for (const auto& [key, node] : parsed.value()) {
    const std::string name(key.str());
    if (name == "block") {
      flags.insert(flags.end(), {"--block-config", path});
    } else if (const auto* flag = node.as_boolean()) {
      if (flag->get()) flags.push_back("--" + name);
    } else {
      const Result<std::string> value = FlagValue(name, node);
      if (!value.ok()) return value.error().Context("--config " + path);
      flags.insert(flags.end(), {"--" + name, value.value()});
    }
  }
  return flags;
}

}  // namespace

Status ExpandConfig(std::vector<std::string>& arguments) {
  const auto is_config = [](const std::string& argument) {
    return argument == "--config" || argument.starts_with("--config=");
  };
  auto option = std::find_if(arguments.begin(), arguments.end(), is_config);
  if (option == arguments.end() || arguments.front().starts_with("-")) return Ok();
  std::string path;
  if (*option != "--config") {
    path = option->substr(std::string("--config=").size());
    arguments.erase(option);
  } else if (std::next(option) == arguments.end()) {
    return Invalid("--config needs a file: --config FILE.toml");
  } else {
    path = *std::next(option);
    arguments.erase(option, option + 2);
  }
  const auto another = std::find_if(arguments.begin(), arguments.end(), is_config);
  if (another != arguments.end()) {
    return Invalid(
        fmt::format("--config {}: only one file is read; here is another --config", path));
  }
  NDCAO_ASSIGN(const std::vector<std::string> flags, FlagsOf(path));
  arguments.insert(arguments.begin() + 1, flags.begin(), flags.end());
  return Ok();
}

}  // namespace ndcao
