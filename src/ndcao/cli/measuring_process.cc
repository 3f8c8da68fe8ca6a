#include "ndcao/cli/measuring_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

#include "ndcao/base/log.h"

namespace ndcao {
namespace {

struct Pipe {
  int read = -1;
  int write = -1;
  Pipe() {
    int ends[2];
    NDCAO_CHECK(::pipe2(ends, O_CLOEXEC) == 0);
    read = ends[0];
    write = ends[1];
  }
};

}  // namespace

MeasuringProcess::MeasuringProcess(const std::function<Status(const Ready& ready)>& body) {
  const Pipe answer, ready, begin;
  child_ = ::fork();
  NDCAO_CHECK(child_ >= 0);
  if (child_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(answer.write, STDOUT_FILENO);
    ::close(begin.write);
    const Status done = body([&] {
      char byte = 0;
      NDCAO_CHECK(::write(ready.write, &byte, 1) == 1);
      if (::read(begin.read, &byte, 1) != 1) ::_exit(1);
    });
    if (!done.ok()) spdlog::error("{}", done.error().message());
    std::fflush(stdout);
    ::_exit(0);
  }
  ::close(answer.write);
  ::close(ready.write);
  ::close(begin.read);
  answer_ = answer.read;
  ready_ = ready.read;
  begin_ = begin.write;
}

MeasuringProcess::~MeasuringProcess() {
  ::close(begin_);
  ::close(ready_);
  ::close(answer_);
  ::waitpid(child_, nullptr, 0);
}

bool MeasuringProcess::AwaitReady() {
  char byte = 0;
  return ::read(ready_, &byte, 1) == 1;
}

void MeasuringProcess::Begin() {
  const char byte = 0;
  // A child that has died meanwhile shows in its empty answer.
  if (::write(begin_, &byte, 1) != 1) spdlog::warn("a measuring process has gone away");
}

std::string MeasuringProcess::Answer() {
  std::string text;
  char part[256];
  for (ssize_t got; (got = ::read(answer_, part, sizeof part)) > 0;) {
    text.append(part, static_cast<std::size_t>(got));
  }
  return text;
}

}  // namespace ndcao
