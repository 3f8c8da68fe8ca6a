#include "ndcao/cli/config_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

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

bool Gives(const std::vector<std::string>& arguments, std::string_view name) {
  const std::string flag = fmt::format("--{}", name);
  return std::ranges::any_of(arguments, [&](const std::string& argument) {
    return argument == flag || argument.starts_with(flag + "=");
  });
}

/// What the command line calls: "train", "bench throughput".
struct Verb {
  const CLI::App* app = nullptr;
  std::vector<std::string> words;
};

Verb FindVerb(const CLI::App& app, const std::vector<std::string>& arguments) {
  Verb verb{&app, {}};
  for (const std::string& word : arguments) {
    const auto found =
        verb.app->get_subcommands([&](const CLI::App* one) { return one->get_name() == word; });
    if (found.empty()) break;
    verb.app = found.front();
    verb.words.push_back(word);
  }
  return verb;
}

Status CheckKey(const Verb& verb, const std::string& path, const std::string& name) {
  const std::string flag = name == "block" ? "block-config" : name;
  if (flag != "config" && verb.app->get_option_no_throw("--" + flag) != nullptr) return Ok();
  return Invalid(
      fmt::format("--config {}: key '{}' is unknown; allowed: the flags that 'ndcao {} --help' "
                  "shows, without dashes, and [[block]] tables",
                  path, name, fmt::join(verb.words, " ")));
}

Result<std::vector<std::string>> FlagsOf(const std::string& path, const Verb& verb,
                                         const std::vector<std::string>& arguments) {
  NDCAO_ASSIGN(const std::string text, ReadText(path));
  const Result<toml::table> parsed = ParseToml(text);
  if (!parsed.ok()) return parsed.error().Context("--config " + path);
  // Both say how long to train: one on the command line is instead of the file's.
  const bool overruled = Gives(arguments, "budget") || Gives(arguments, "epochs");
  std::vector<std::string> flags;
  for (const auto& [key, node] : parsed.value()) {
    const std::string name(key.str());
    NDCAO_TRY(CheckKey(verb, path, name));
    if (overruled && (name == "budget" || name == "epochs")) continue;
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

Status ExpandConfig(const CLI::App& app, std::vector<std::string>& arguments) {
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
  const Verb verb = FindVerb(app, arguments);
  if (verb.words.empty()) return Ok();  // which is said elsewhere
  NDCAO_ASSIGN(const std::vector<std::string> flags, FlagsOf(path, verb, arguments));
  const auto behind = arguments.begin() + static_cast<std::ptrdiff_t>(verb.words.size());
  arguments.insert(behind, flags.begin(), flags.end());
  return Ok();
}

}  // namespace ndcao
