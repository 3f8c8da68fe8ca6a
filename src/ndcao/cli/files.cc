#include "ndcao/cli/files.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace ndcao {

Result<std::string> ReadText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file || std::filesystem::is_directory(path)) {
    return Invalid(fmt::format("cannot read '{}': {}", path,
                               file ? "it is a directory" : std::strerror(errno)));
  }
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

Status WriteText(const std::string& path, std::string_view text) {
  const std::string aside = path + ".partial";
  {
    std::ofstream file(aside, std::ios::binary | std::ios::trunc);
    file.write(text.data(), static_cast<std::streamsize>(text.size()));
    file.flush();
    if (!file) {
      const std::string reason = std::strerror(errno);
      std::error_code ignored;
      std::filesystem::remove(aside, ignored);
      return Failed(fmt::format("cannot write '{}': {}", path, reason));
    }
  }
  std::error_code error;
  std::filesystem::rename(aside, path, error);
  if (error) return Failed(fmt::format("cannot write '{}': {}", path, error.message()));
  return Ok();
}

Result<ParameterVector> ReadParameters(const std::string& path) {
  NDCAO_ASSIGN(const std::string bytes, ReadText(path));
  if (bytes.empty() || bytes.size() % sizeof(float) != 0) {
    return Invalid(
        fmt::format("'{}' holds {} bytes, which is no list of float32 values", path, bytes.size()));
  }
  ParameterVector values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

Status WriteParameters(const std::string& path, std::span<const float> values) {
  return WriteText(path, {reinterpret_cast<const char*>(values.data()), values.size_bytes()});
}

}  // namespace ndcao
