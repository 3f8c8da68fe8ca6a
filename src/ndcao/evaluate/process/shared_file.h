// A file of float32 values, mapped into memory, that another process reads. Removed at the end.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "ndcao/base/result.h"

namespace ndcao {

class SharedFile {
 public:
  /// `count` zeros, in memory if the system has a folder for that (/dev/shm), else in the
  /// temporary folder.
  static Result<std::unique_ptr<SharedFile>> Create(std::uint64_t count);
  ~SharedFile();
  SharedFile(const SharedFile&) = delete;
  SharedFile& operator=(const SharedFile&) = delete;

  const std::string& path() const { return path_; }
  std::span<float> values() { return values_; }

 private:
  SharedFile(std::string path, std::span<float> values) : path_(std::move(path)), values_(values) {}

  std::string path_;
  std::span<float> values_;
};

}  // namespace ndcao
