// A folder for a measurement, removed with all that is in it.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>

#include "ndcao/base/result.h"

namespace ndcao {

class ScratchFolder {
 public:
  /// A new folder under `parent`, as --dir said.
  static Result<ScratchFolder> Create(const std::string& parent) {
    std::string name = parent + "/ndcao-bench-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr)
      return Invalid("--dir " + parent + ": cannot write there");
    return ScratchFolder(std::move(name));
  }
  ScratchFolder(ScratchFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  ScratchFolder& operator=(ScratchFolder&&) = delete;
  ~ScratchFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  std::string Sub(const std::string& name) const { return path_ + "/" + name; }

 private:
  explicit ScratchFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace ndcao
