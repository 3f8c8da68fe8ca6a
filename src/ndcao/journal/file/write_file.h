// The writer's side of a segment's file. A seam: tests put a file behind it that is full at byte n
// (FileJournalOptions::wrap_file).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "ndcao/base/result.h"

namespace ndcao {

class WriteFile {
 public:
  virtual ~WriteFile() = default;

  /// Writes all bytes at `position`. After an error any number of them may have been written.
  virtual Status WriteAt(std::uint64_t position, std::span<const std::byte> bytes) = 0;
  /// Cuts the file to `size` bytes.
  virtual Status Truncate(std::uint64_t size) = 0;
  /// On return everything written so far is on the disk. Any thread, also during a write.
  virtual Status Sync() = 0;
};

enum class IfMissing { kFail, kCreate };

/// Opens a file for writing; with kCreate the file must not exist.
Result<std::unique_ptr<WriteFile>> OpenWriteFile(const std::string& path, IfMissing if_missing);

/// Puts another file in front of one.
using WrapFile = std::function<std::unique_ptr<WriteFile>(std::unique_ptr<WriteFile>)>;

}  // namespace ndcao
