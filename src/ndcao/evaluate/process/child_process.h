// A child process that answers lines with lines.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "ndcao/base/result.h"

namespace ndcao {

/// Used by one thread. The destructor closes the child's standard input, waits for it to end, and
/// kills its process group if it does not within the timeout (at most two seconds).
class ChildProcess {
 public:
  /// Runs `command` by /bin/sh, in a process group of its own, with `environment` ("NAME=value")
  /// added to ours.
  static Result<std::unique_ptr<ChildProcess>> Start(const std::string& command,
                                                     const std::vector<std::string>& environment,
                                                     double timeout_seconds);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  /// Sends `request` and returns the next line, without its end. The error (kFailed) says how the
  /// child ended, or that it did not answer in time; it is killed then. After an error every call
  /// fails in the same way.
  Result<std::string> Ask(const std::string& request);

 private:
  using Clock = std::chrono::steady_clock;

  ChildProcess(std::string command, double timeout_seconds)
      : command_(std::move(command)), timeout_seconds_(timeout_seconds) {}

  Status Write(const std::string& text, Clock::time_point deadline);
  Result<std::string> ReadLine(Clock::time_point deadline);
  Status WaitFor(int file, short events, Clock::time_point deadline);
  Error Ended();
  Error TimedOut();
  bool Reap(bool wait);
  void Kill();

  std::string command_;
  double timeout_seconds_;
  pid_t pid_ = -1;  // -1: reaped
  int status_ = 0;  // as waitpid says, once reaped
  int input_ = -1;
  int output_ = -1;
  std::string received_;  // after the last line returned
  std::string failure_;
};

}  // namespace ndcao
