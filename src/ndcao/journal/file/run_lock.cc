#include "ndcao/journal/file/run_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include <cerrno>
#include <utility>

namespace ndcao {
namespace {

Status Flock(const UniqueFd& fd, const std::string& directory, int operation) {
  while (::flock(fd.get(), operation | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return IoError("lock the run directory", directory, errno);
    return Error(ErrorCode::kConflict,
                 fmt::format("run directory '{}' is in use by another process", directory));
  }
  return Ok();
}

}  // namespace

Result<RunLock> RunLock::Acquire(const std::string& directory, int operation) {
  // A run on a disk that nobody may write to can be read all the same.
  Result<UniqueFd> existing = OpenFile(directory + "/lock", O_RDONLY);
  if (!existing.ok()) existing = OpenFile(directory + "/lock", O_RDWR | O_CREAT);
  NDCAO_ASSIGN(UniqueFd fd, std::move(existing));
  NDCAO_TRY(Flock(fd, directory, operation));
  return RunLock(directory, std::move(fd));
}

Result<RunLock> RunLock::AcquireExclusive(const std::string& directory) {
  return Acquire(directory, LOCK_EX);
}

Result<RunLock> RunLock::AcquireShared(const std::string& directory) {
  return Acquire(directory, LOCK_SH);
}

Status RunLock::Share() { return Flock(fd_, directory_, LOCK_SH); }

}  // namespace ndcao
