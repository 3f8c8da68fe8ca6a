// "Run directory in use": workers share it, an operation that must be alone takes it for itself.
// It does not guard the journal, which several processes may append to at any time.
//
//   NDCAO_ASSIGN(RunLock lock, RunLock::AcquireShared(run_directory));
#pragma once

#include <string>

#include "ndcao/base/result.h"
#include "ndcao/journal/file/posix.h"

namespace ndcao {

/// Held until it is destroyed or the process dies: flock on DIR/lock.
class RunLock {
 public:
  /// Do not wait: kConflict if somebody holds it in a way that excludes this one; kInvalid if the
  /// directory does not exist or the file cannot be created in it.
  static Result<RunLock> AcquireExclusive(const std::string& directory);
  static Result<RunLock> AcquireShared(const std::string& directory);

  /// From exclusive to shared: lets workers in. kConflict if somebody else was quicker to take it
  /// exclusively, in which case nothing is held any more.
  Status Share();

 private:
  RunLock(std::string directory, UniqueFd fd)
      : directory_(std::move(directory)), fd_(std::move(fd)) {}
  static Result<RunLock> Acquire(const std::string& directory, int operation);

  std::string directory_;
  UniqueFd fd_;
};

}  // namespace ndcao
