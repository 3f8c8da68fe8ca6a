// TOML texts, through toml++.
#pragma once

#include <toml++/toml.h>

#include <string_view>

#include "ndcao/base/result.h"

namespace ndcao {

/// kInvalid with the reason and the line if `text` is no TOML.
Result<toml::table> ParseToml(std::string_view text);

}  // namespace ndcao
