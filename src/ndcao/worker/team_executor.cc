#include "ndcao/worker/team_executor.h"

namespace ndcao {

template <typename Condition>
void TeamExecutor::Spin(const Condition& until) const {
  if (spin_.count() == 0) return;
  const auto deadline = std::chrono::steady_clock::now() + spin_;
  while (!until() && std::chrono::steady_clock::now() < deadline) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }
}

// Called with the lock held; gives it up while a piece is worked on.
void TeamExecutor::TakePieces(From end, std::unique_lock<std::mutex>& lock) {
  while (work_ != nullptr && first_ < end_) {
    const std::size_t piece = end == From::kFront ? first_++ : --end_;
    const auto* work = work_;
    busy_ = ++running_;
    lock.unlock();
    (*work)(piece);
    lock.lock();
    busy_ = --running_;
  }
}

void TeamExecutor::Run(std::size_t pieces, const std::function<void(std::size_t)>& work) {
  if (pieces <= 1) {
    if (pieces == 1) work(0);
    return;
  }
  std::unique_lock lock(mutex_);
  work_ = &work;
  first_ = 0;
  end_ = pieces;
  ++calls_;
  changed_.notify_all();
  TakePieces(From::kFront, lock);
  if (running_ > 0) {
    lock.unlock();
    Spin([this] { return busy_ == 0; });
    lock.lock();
  }
  changed_.wait(lock, [this] { return running_ == 0; });
  work_ = nullptr;
}

void TeamExecutor::WaitAndHelp(std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  std::unique_lock lock(mutex_);
  const std::size_t wakes = wakes_;
  while (wakes_ == wakes) {
    TakePieces(From::kBack, lock);
    if (running_ == 0) changed_.notify_all();
    const std::uint64_t calls = calls_;
    lock.unlock();
    Spin([this, calls] { return calls_ != calls; });
    lock.lock();
    const bool timed_out = !changed_.wait_until(
        lock, deadline, [&] { return wakes_ != wakes || (work_ != nullptr && first_ < end_); });
    if (timed_out) return;
  }
}

void TeamExecutor::Wake() {
  const std::lock_guard lock(mutex_);
  ++wakes_;
  changed_.notify_all();
}

HelperThreads::HelperThreads(TeamExecutor& team, unsigned threads) : team_(team) {
  for (unsigned i = 0; i < threads; ++i) {
    threads_.emplace_back([&team](const std::stop_token& stop) {
      while (!stop.stop_requested()) team.WaitAndHelp(std::chrono::milliseconds(10));
    });
  }
}

HelperThreads::~HelperThreads() {
  for (std::jthread& thread : threads_) thread.request_stop();
  team_.Wake();
}

}  // namespace ndcao
