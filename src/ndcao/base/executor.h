// Runs independent pieces of work, possibly on several threads. The fold is written against this
// interface and never sees a thread; its pieces write to disjoint places, so the result does not
// depend on who runs which.
#pragma once

#include <cstddef>
#include <functional>

namespace ndcao {

class Executor {
 public:
  virtual ~Executor() = default;
  /// Calls work(0) … work(pieces − 1), in any order and from any threads; returns when all are
  /// done.
  virtual void Run(std::size_t pieces, const std::function<void(std::size_t)>& work) = 0;
};

class SerialExecutor : public Executor {
 public:
  void Run(std::size_t pieces, const std::function<void(std::size_t)>& work) override {
    for (std::size_t i = 0; i < pieces; ++i) work(i);
  }
};

}  // namespace ndcao
