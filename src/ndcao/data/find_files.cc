#include "ndcao/data/find_files.h"

#include <fmt/format.h>

#include <filesystem>
#include <optional>

#include "ndcao/data/text.h"

namespace ndcao {
namespace {

namespace fs = std::filesystem;

std::optional<std::string> FindFile(const std::string& directory, const std::string& name) {
  for (const char* suffix : {"", ".gz"}) {
    std::error_code ignored;
    const fs::path path = fs::path(directory) / (name + suffix);
    if (fs::is_regular_file(path, ignored)) return path.string();
  }
  return std::nullopt;
}

}  // namespace

std::vector<std::string> SearchPath(const DataOptions& options, const std::string& set,
                                    const std::string& installed) {
  if (!options.directory.empty()) {
    return {options.directory, (fs::path(options.directory) / set).string()};
  }
  std::vector<std::string> path;
  for (const std::string& base : options.search_path)
    path.push_back((fs::path(base) / set).string());
  if (!installed.empty()) path.push_back(installed);
  return path;
}

Result<std::vector<std::string>> FindFiles(const std::vector<std::string>& directories,
                                           const std::vector<std::string>& names,
                                           const std::string& remedy) {
  std::string incomplete;  // what the first directory with some of the files lacks
  for (const std::string& directory : directories) {
    std::vector<std::string> found;
    std::string missing;
    for (const std::string& name : names) {
      if (auto path = FindFile(directory, name)) {
        found.push_back(std::move(*path));
      } else if (missing.empty()) {
        missing = (fs::path(directory) / name).string();
      }
    }
    if (missing.empty()) return found;
    if (!found.empty() && incomplete.empty()) incomplete = missing;
  }
  if (!incomplete.empty()) {
    return Invalid(fmt::format("file '{}' (or .gz) is missing; {}", incomplete, remedy));
  }
  return Invalid(fmt::format("'{}' (or .gz) is not in {}; {}", names.front(),
                             JoinText(directories, ", "), remedy));
}

}  // namespace ndcao
