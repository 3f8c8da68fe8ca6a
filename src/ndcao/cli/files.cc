#include "ndcao/cli/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "ndcao/journal/file/posix.h"

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
  const std::string_view parts[] = {text};
  return WriteParts(path, parts);
}

Status WriteParts(const std::string& path, std::span<const std::string_view> parts) {
  const std::string aside = path + ".partial";
  const Status written = [&]() -> Status {
    NDCAO_ASSIGN(const UniqueFd file, OpenFile(aside, O_WRONLY | O_CREAT | O_TRUNC));
    for (const std::string_view part : parts) {
      NDCAO_TRY(WriteAll(file, aside, std::as_bytes(std::span(part))));
    }
    if (::fsync(file.get()) != 0) return IoError("sync", aside, errno);
    if (::rename(aside.c_str(), path.c_str()) != 0) return IoError("rename", aside, errno);
    const std::string parent = std::filesystem::path(path).parent_path().string();
    return SyncDirectory(parent.empty() ? "." : parent);
  }();
  if (written.ok()) return Ok();
  std::error_code ignored;
  std::filesystem::remove(aside, ignored);
  return Failed(fmt::format("cannot write '{}': {}", path, written.error().message()));
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
