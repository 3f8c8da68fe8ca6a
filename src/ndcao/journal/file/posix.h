// The POSIX calls that the file journal needs, with errors as values. Every descriptor is closed
// on exec, so that a program that a run starts does not inherit its locks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ndcao/base/result.h"

namespace ndcao {

/// Owns a file descriptor; -1 is none.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~UniqueFd();

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

/// "cannot <action> '<path>': <text of errno>". kInvalid where the path or its permissions are
/// wrong, kFailed otherwise (disk full, I/O error).
Error IoError(const std::string& action, const std::string& path, int code);

/// open(2) with O_CLOEXEC; a created file has mode 0644 before the umask.
Result<UniqueFd> OpenFile(const std::string& path, int flags);

/// The same; an invalid descriptor if the file does not exist.
Result<UniqueFd> OpenIfExists(const std::string& path, int flags);

/// Fills `into` from `position` on; returns how many bytes there were before the end of the file.
Result<std::size_t> ReadAt(const UniqueFd& fd, const std::string& path, std::uint64_t position,
                           std::span<std::byte> into);

/// Writes all bytes at the descriptor's own position.
Status WriteAll(const UniqueFd& fd, const std::string& path, std::span<const std::byte> bytes);

Result<std::uint64_t> FileSize(const UniqueFd& fd, const std::string& path);

/// Makes the entries of a directory durable.
Status SyncDirectory(const std::string& path);

/// Creates the directory and those above it, where missing.
Status MakeDirectories(const std::string& path);

/// Names in a directory, unsorted, without "." and "..". kInvalid if it does not exist.
Result<std::vector<std::string>> ListDirectory(const std::string& path);

}  // namespace ndcao
