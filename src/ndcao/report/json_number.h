// Numbers in JSON.
#pragma once

#include <cmath>
#include <nlohmann/json.hpp>

namespace ndcao {

/// null for NaN and infinity, which have no place in JSON.
inline nlohmann::ordered_json JsonNumber(double x) {
  return std::isfinite(x) ? nlohmann::ordered_json(x) : nlohmann::ordered_json(nullptr);
}

}  // namespace ndcao
