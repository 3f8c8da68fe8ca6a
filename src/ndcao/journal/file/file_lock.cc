#include "ndcao/journal/file/file_lock.h"

#include <sys/file.h>

#include <cerrno>

namespace ndcao {

FileLock::Guard::~Guard() {
  if (held_.owns_lock()) ::flock(fd_, LOCK_UN);
}

Result<std::unique_ptr<FileLock>> FileLock::Open(const std::string& path, int flags) {
  NDCAO_ASSIGN(UniqueFd fd, OpenFile(path, flags));
  return std::unique_ptr<FileLock>(new FileLock(path, std::move(fd)));
}

Result<FileLock::Guard> FileLock::Exclusive() { return Take(LOCK_EX); }

Result<FileLock::Guard> FileLock::Shared() { return Take(LOCK_SH); }

Result<FileLock::Guard> FileLock::Take(int operation) {
  std::unique_lock held(mutex_);
  while (::flock(fd_.get(), operation) != 0) {
    if (errno != EINTR) return IoError("lock", path_, errno);
  }
  return Guard(std::move(held), fd_.get());
}

}  // namespace ndcao
