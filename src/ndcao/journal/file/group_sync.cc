#include "ndcao/journal/file/group_sync.h"

#include <algorithm>

#include "ndcao/base/log.h"

namespace ndcao {

GroupSync::GroupSync(FsyncPolicy policy, std::chrono::milliseconds interval)
    : policy_(policy), interval_(interval) {
  if (policy_ == FsyncPolicy::kInterval) thread_ = std::thread([this] { Run(); });
}

GroupSync::~GroupSync() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

std::uint64_t GroupSync::Wrote(std::shared_ptr<WriteFile> file) {
  const std::lock_guard lock(mutex_);
  file_ = std::move(file);
  if (written_ == synced_ && policy_ == FsyncPolicy::kInterval) changed_.notify_all();
  return ++written_;
}

Status GroupSync::Commit(std::uint64_t ticket) {
  std::unique_lock lock(mutex_);
  if (policy_ != FsyncPolicy::kAlways) return status_;
  while (synced_ < ticket && status_.ok()) {
    if (syncing_) {
      changed_.wait(lock);
    } else {
      SyncOnce(lock);
    }
  }
  return synced_ < ticket ? status_ : Ok();
}

Status GroupSync::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

// Syncs all that is written by now. The mutex is free meanwhile.
void GroupSync::SyncOnce(std::unique_lock<std::mutex>& lock) {
  syncing_ = true;
  const std::uint64_t target = written_;
  const std::shared_ptr<WriteFile> file = file_;
  lock.unlock();
  const Status synced = file->Sync();
  lock.lock();
  syncing_ = false;
  if (synced.ok()) {
    synced_ = std::max(synced_, target);
  } else {
    status_ = synced.error().Context(
        "records may not survive a power cut although they are in the journal, resume the run to "
        "go on");
  }
  changed_.notify_all();
}

// The thread of kInterval: a sync at most every interval, and only after an append.
void GroupSync::Run() {
  std::unique_lock lock(mutex_);
  while (status_.ok()) {
    changed_.wait(lock, [this] { return stopping_ || written_ > synced_; });
    if (written_ == synced_) return;  // Stopping, and nothing is left.
    changed_.wait_for(lock, interval_, [this] { return stopping_; });
    SyncOnce(lock);
  }
  spdlog::warn("journal: {}", status_.error().message());
}

}  // namespace ndcao
