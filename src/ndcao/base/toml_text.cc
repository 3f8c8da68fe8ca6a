#include "ndcao/base/toml_text.h"

#include <fmt/format.h>

namespace ndcao {

Result<toml::table> ParseToml(std::string_view text) {
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& error) {
    return Invalid(fmt::format("{} (line {})", error.description(), error.source().begin.line));
  }
}

}  // namespace ndcao
