// An executor whose helpers are the worker threads that have nothing to evaluate just then: at the
// end of a round they fold together with the thread that holds the last record.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "ndcao/base/executor.h"

namespace ndcao {

class TeamExecutor : public Executor {
 public:
  /// How long a thread that waits looks on before it sleeps: worth it where work comes every
  /// millisecond and every thread has a core. Before anybody waits; 0 unless set.
  void set_spin(std::chrono::microseconds spin) { spin_ = spin; }

  /// Works on the pieces itself, with whoever is in WaitAndHelp. One caller at a time.
  void Run(std::size_t pieces, const std::function<void(std::size_t)>& work) override;

  /// Sleeps until Wake, at most `timeout`; helps with pieces meanwhile.
  void WaitAndHelp(std::chrono::milliseconds timeout);
  /// Ends everybody's WaitAndHelp.
  void Wake();

 private:
  /// Who runs the work takes pieces from the front, helpers from the back: so a thread mostly works
  /// on what its cache still holds of the last time.
  enum class From { kFront, kBack };
  void TakePieces(From end, std::unique_lock<std::mutex>& lock);
  template <typename Condition>
  void Spin(const Condition& until) const;

  std::mutex mutex_;
  std::condition_variable changed_;
  const std::function<void(std::size_t)>* work_ = nullptr;
  std::size_t first_ = 0;  // pieces not taken yet: [first_, end_)
  std::size_t end_ = 0;
  std::size_t running_ = 0;
  std::chrono::microseconds spin_{0};
  std::atomic<std::uint64_t> calls_{0};  // of Run that had pieces to share
  std::atomic<std::size_t> busy_{0};     // running_, for those who look on
  std::size_t wakes_ = 0;
};

/// Threads that do nothing but help an executor, as long as this object lives.
class HelperThreads {
 public:
  HelperThreads(TeamExecutor& team, unsigned threads);
  ~HelperThreads();
  HelperThreads(const HelperThreads&) = delete;
  HelperThreads& operator=(const HelperThreads&) = delete;

 private:
  TeamExecutor& team_;
  std::vector<std::jthread> threads_;
};

}  // namespace ndcao
