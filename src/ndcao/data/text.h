// Lists in error messages. Internal to data/.
#pragma once

#include <concepts>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ndcao {

/// "a, b, c" for the separator ", ".
std::string JoinText(std::span<const std::string> parts, std::string_view separator);

/// "60000 x 28 x 28".
template <std::integral T>
std::string ShapeText(const std::vector<T>& extents) {
  std::vector<std::string> parts;
  for (const T extent : extents) parts.push_back(std::to_string(extent));
  return JoinText(parts, " x ");
}

}  // namespace ndcao
