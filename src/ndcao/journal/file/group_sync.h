// Makes appended records durable, several at a time: appenders that come while one sync runs share
// the next one.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>

#include "ndcao/journal/file/file_journal_options.h"

namespace ndcao {

/// Any thread may call any method.
class GroupSync {
 public:
  GroupSync(FsyncPolicy policy, std::chrono::milliseconds interval);
  /// Under kInterval, syncs what is left.
  ~GroupSync();

  /// A record was written to `file`; call in the order of the writes. What was written to other
  /// files before is durable already. Returns the record's ticket.
  std::uint64_t Wrote(std::shared_ptr<WriteFile> file);

  /// Returns when the ticket's record is as durable as the policy promises. After one failed sync
  /// every call fails: the kernel may have dropped the pages, and another sync would not tell.
  Status Commit(std::uint64_t ticket);

  /// The failure of an earlier sync, if any.
  Status status() const;

 private:
  void SyncOnce(std::unique_lock<std::mutex>& lock);
  void Run();

  const FsyncPolicy policy_;
  const std::chrono::milliseconds interval_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::shared_ptr<WriteFile> file_;
  std::uint64_t written_ = 0;  // Tickets given out.
  std::uint64_t synced_ = 0;   // Tickets whose records are durable.
  bool syncing_ = false;
  bool stopping_ = false;
  Status status_;
  std::thread thread_;  // Under kInterval.
};

}  // namespace ndcao
