#include "ndcao/journal/file/run_lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>

#include "test_records.h"

namespace ndcao {
namespace {

TEST(RunLock, IsSharedByWorkersAndExclusiveOtherwise) {
  const TempDirectory directory;
  std::optional<RunLock> one(RunLock::AcquireShared(directory.path()).value());
  std::optional<RunLock> two(RunLock::AcquireShared(directory.path()).value());
  const auto refused = RunLock::AcquireExclusive(directory.path());
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kConflict);
  EXPECT_THAT(refused.error().message(), testing::HasSubstr("is in use by another process"));
  one.reset();
  EXPECT_FALSE(RunLock::AcquireExclusive(directory.path()).ok());
  two.reset();
  Result<RunLock> exclusive = RunLock::AcquireExclusive(directory.path());
  ASSERT_TRUE(exclusive.ok());
  EXPECT_FALSE(RunLock::AcquireShared(directory.path()).ok());
  EXPECT_FALSE(RunLock::AcquireExclusive(directory.path()).ok());
  ASSERT_TRUE(exclusive.value().Share().ok());
  EXPECT_TRUE(RunLock::AcquireShared(directory.path()).ok());
}

TEST(RunLock, GoesWithTheProcessThatHeldIt) {
  const TempDirectory directory;
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto lock = RunLock::AcquireExclusive(directory.path());
    const char held = lock.ok() ? 1 : 0;
    if (::write(ready[1], &held, 1) != 1) ::_exit(1);
    ::pause();
    ::_exit(0);
  }
  char held = 0;
  ASSERT_EQ(::read(ready[0], &held, 1), 1);
  EXPECT_EQ(held, 1);
  EXPECT_FALSE(RunLock::AcquireShared(directory.path()).ok());
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(RunLock::AcquireExclusive(directory.path()).ok());
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST(RunLock, RefusesAMissingDirectory) {
  const auto lock = RunLock::AcquireShared("/nowhere/at/all");
  ASSERT_FALSE(lock.ok());
  EXPECT_EQ(lock.error().code(), ErrorCode::kInvalid);
}

}  // namespace
}  // namespace ndcao
