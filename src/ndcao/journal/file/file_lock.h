// An advisory lock on a file (flock): between processes, and between threads that share the
// object. The kernel releases it when its holder dies.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "ndcao/base/result.h"
#include "ndcao/journal/file/posix.h"

namespace ndcao {

class FileLock {
 public:
  /// Held until it is destroyed. The FileLock must outlive it.
  class Guard {
   public:
    Guard(Guard&& other) noexcept = default;
    Guard& operator=(Guard&&) = delete;
    ~Guard();

   private:
    friend class FileLock;
    Guard(std::unique_lock<std::mutex> held, int fd) : held_(std::move(held)), fd_(fd) {}
    std::unique_lock<std::mutex> held_;
    int fd_;
  };

  /// `flags` as open(2) takes them; O_CREAT to create the file.
  static Result<std::unique_ptr<FileLock>> Open(const std::string& path, int flags);

  /// Wait until the lock is free; readers share it.
  Result<Guard> Exclusive();
  Result<Guard> Shared();

 private:
  FileLock(std::string path, UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  Result<Guard> Take(int operation);

  std::string path_;
  UniqueFd fd_;
  std::mutex mutex_;
};

}  // namespace ndcao
