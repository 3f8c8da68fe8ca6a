#include "ndcao/evaluate/process/child_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>

namespace ndcao {
namespace {

constexpr std::size_t kLongestLine = 1 << 20;
constexpr double kGraceSeconds = 2;  // to end by itself, once its input is closed

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> Environment(const std::vector<std::string>& added) {
  std::vector<std::string> all = added;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (!text.starts_with("NDCAO_PARAMS=") && !text.starts_with("NDCAO_COUNT=")) {
      all.push_back(text);
    }
  }
  return all;
}

// A pair of connected sockets instead of pipes: writing to a dead child is then an error of this
// call (MSG_NOSIGNAL) and not a signal to the process.
struct Ends {
  int ours = -1;
  int theirs = -1;
};
Result<Ends> Connect() {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
    return Failed(fmt::format("cannot connect to a program: {}", std::strerror(errno)));
  }
  fcntl(pair[0], F_SETFL, O_NONBLOCK);
  return Ends{pair[0], pair[1]};
}

// The shell in a process group of its own, with default signals: Ctrl-C stops us, and we it.
int Spawn(const std::string& command, const std::vector<std::string>& environment, int input,
          int output, pid_t* pid) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::vector<std::string> arguments = {"/bin/sh", "-c", command};
  std::vector<std::string> variables = Environment(environment);
  const int error = posix_spawn(pid, "/bin/sh", &actions, &attributes, Pointers(arguments).data(),
                                Pointers(variables).data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  return error;
}

}  // namespace

Result<std::unique_ptr<ChildProcess>> ChildProcess::Start(
    const std::string& command, const std::vector<std::string>& environment,
    double timeout_seconds) {
  auto child = std::unique_ptr<ChildProcess>(new ChildProcess(command, timeout_seconds));
  NDCAO_ASSIGN(const Ends input, Connect());
  child->input_ = input.ours;
  const Result<Ends> output = Connect();
  if (!output.ok()) {
    close(input.theirs);
    return output.error();
  }
  child->output_ = output.value().ours;
  const int error = Spawn(command, environment, input.theirs, output.value().theirs, &child->pid_);
  close(input.theirs);
  close(output.value().theirs);
  if (error != 0) {
    child->pid_ = -1;
    return Failed(fmt::format("exec:{}: cannot be started: {}", command, std::strerror(error)));
  }
  return child;
}

ChildProcess::~ChildProcess() {
  if (input_ >= 0) close(input_);
  const auto deadline =
      Clock::now() + std::chrono::duration<double>(std::min(timeout_seconds_, kGraceSeconds));
  while (!Reap(false) && Clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  Kill();
  if (output_ >= 0) close(output_);
}

Result<std::string> ChildProcess::Ask(const std::string& request) {
  if (!failure_.empty()) return Failed(failure_);
  const auto deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                           std::chrono::duration<double>(timeout_seconds_));
  Result<std::string> line = Failed("");
  const Status written = Write(request, deadline);
  if (written.ok()) {
    line = ReadLine(deadline);
    if (line.ok()) return line;
  }
  failure_ = written.ok() ? line.error().message() : written.error().message();
  Kill();
  return Failed(failure_);
}

Status ChildProcess::Write(const std::string& text, Clock::time_point deadline) {
  for (std::size_t sent = 0; sent < text.size();) {
    NDCAO_TRY(WaitFor(input_, POLLOUT, deadline));
    const ssize_t count = send(input_, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
    if (count > 0) {
      sent += static_cast<std::size_t>(count);
    } else if (errno != EAGAIN && errno != EINTR) {
      return Ended();
    }
  }
  return Ok();
}

Result<std::string> ChildProcess::ReadLine(Clock::time_point deadline) {
  for (;;) {
    const auto end = received_.find('\n');
    if (end != std::string::npos) {
      std::string line = received_.substr(0, end);
      received_.erase(0, end + 1);
      return line;
    }
    if (received_.size() > kLongestLine) {
      return Failed(fmt::format("exec:{}: it answered a line of more than {} bytes: \"{}…\"",
                                command_, kLongestLine, received_.substr(0, 80)));
    }
    NDCAO_TRY(WaitFor(output_, POLLIN, deadline));
    char buffer[4096];
    const ssize_t count = read(output_, buffer, sizeof(buffer));
    if (count > 0) {
      received_.append(buffer, static_cast<std::size_t>(count));
    } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
      return Ended();
    }
  }
}

Status ChildProcess::WaitFor(int file, short events, Clock::time_point deadline) {
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left < 0) return TimedOut();
    pollfd wanted{file, events, 0};
    const int ready = poll(&wanted, 1, static_cast<int>(std::min<long>(left + 1, 60'000)));
    if (ready > 0) return Ok();
    if (ready < 0 && errno != EINTR) {
      return Failed(fmt::format("exec:{}: {}", command_, std::strerror(errno)));
    }
  }
}

// The child has closed its end. If it still runs it has only closed its output, which is no better.
Error ChildProcess::Ended() {
  const auto deadline = Clock::now() + std::chrono::milliseconds(500);
  while (!Reap(false) && Clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  if (pid_ > 0) return Failed(fmt::format("exec:{}: it closed its standard output", command_));
  const int code = WEXITSTATUS(status_);
  if (!WIFSIGNALED(status_) && code <= 128) {
    return Failed(fmt::format("exec:{}: it ended with exit code {} before it answered{}", command_,
                              code, code == 127 ? " (is it there, and executable?)" : ""));
  }
  // A shell reports a signal of the program that it ran as 128 + its number.
  const int signal = WIFSIGNALED(status_) ? WTERMSIG(status_) : code - 128;
  return Failed(
      fmt::format("exec:{}: it was ended by signal {} ({})", command_, signal, strsignal(signal)));
}

Error ChildProcess::TimedOut() {
  return Failed(fmt::format("exec:{}: no answer within {} s (--exec-timeout); it was killed",
                            command_, timeout_seconds_));
}

bool ChildProcess::Reap(bool wait) {
  if (pid_ <= 0) return true;
  int status = 0;
  pid_t reaped;
  do {
    reaped = waitpid(pid_, &status, wait ? 0 : WNOHANG);
  } while (reaped < 0 && errno == EINTR);
  if (reaped == 0) return false;
  status_ = status;
  // What the program started itself goes with it.
  kill(-pid_, SIGKILL);
  pid_ = -1;
  return true;
}

void ChildProcess::Kill() {
  if (pid_ <= 0) return;
  kill(-pid_, SIGKILL);
  Reap(true);
}

}  // namespace ndcao
