// A child process that measures: nothing that it allocates, starts or loads is left behind. Fork it
// before this process has started LibTorch or a thread.
//
//   MeasuringProcess child([](const auto& ready) { SetUp(); ready(); fmt::print(Measure()); … });
//   if (child.AwaitReady()) child.Begin();
//   std::string answer = child.Answer();
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>

#include "ndcao/base/result.h"

namespace ndcao {

class MeasuringProcess {
 public:
  using Ready = std::function<void()>;

  /// Runs `body` in a child. What it prints on standard output is its answer; an error is told to
  /// the user, and the answer is empty. `ready`, which it may call once, returns after Begin.
  explicit MeasuringProcess(const std::function<Status(const Ready& ready)>& body);
  /// Waits for the child's end.
  ~MeasuringProcess();
  MeasuringProcess(const MeasuringProcess&) = delete;
  MeasuringProcess& operator=(const MeasuringProcess&) = delete;

  /// Waits until the child has called `ready`. False: it has ended without.
  bool AwaitReady();
  void Begin();
  /// Waits for the child's end.
  std::string Answer();

 private:
  pid_t child_ = -1;
  int answer_ = -1;
  int ready_ = -1;
  int begin_ = -1;
};

}  // namespace ndcao
