#include "ndcao/cli/nats_context.h"

#include <fmt/format.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "ndcao/cli/files.h"

namespace ndcao {
namespace {

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

void Fill(std::string& option, const std::string& value) {
  if (option.empty()) option = value;
}

Result<nlohmann::json> ReadContext(const std::string& name) {
  std::string folder = Environment("XDG_CONFIG_HOME");
  if (folder.empty()) folder = Environment("HOME") + "/.config";
  const std::string path = fmt::format("{}/nats/context/{}.json", folder, name);
  const Result<std::string> text = ReadText(path);
  if (!text.ok()) return Invalid(fmt::format("--context {}: {}", name, text.error().message()));
  nlohmann::json json = nlohmann::json::parse(text.value(), nullptr, false);
  if (!json.is_object()) return Invalid(fmt::format("--context {}: '{}' is no JSON", name, path));
  return json;
}

}  // namespace

Status FillFromContext(const std::string& context, NatsOptions& options) {
  struct Source {
    std::string& option;
    const char* key;
    const char* variable;
  };
  const Source sources[] = {{options.user, "user", "NATS_USER"},
                            {options.password, "password", "NATS_PASSWORD"},
                            {options.token, "token", nullptr},
                            {options.credentials, "creds", "NATS_CREDS"},
                            {options.nkey, "nkey", "NATS_NKEY"},
                            {options.certificate, "cert", "NATS_CERT"},
                            {options.key, "key", "NATS_KEY"},
                            {options.ca, "ca", "NATS_CA"},
                            {options.inbox_prefix, "inbox_prefix", nullptr}};
  nlohmann::json json;
  if (!context.empty()) {
    NDCAO_ASSIGN(json, ReadContext(context));
  }
  for (const Source& source : sources) {
    if (json.contains(source.key) && json[source.key].is_string()) {
      Fill(source.option, json[source.key]);
    }
    if (source.variable != nullptr) Fill(source.option, Environment(source.variable));
  }
  return Ok();
}

}  // namespace ndcao
