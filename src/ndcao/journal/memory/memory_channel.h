// Messages between stages of one process: for tests.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>

#include "ndcao/journal/channel.h"

namespace ndcao {

/// What the stages' channels share. Any thread.
class MemoryPost {
 public:
  /// `lose`: asked for every message; true: it is lost.
  explicit MemoryPost(
      std::size_t max_message = 1 << 20, std::function<bool()> lose = [] { return false; })
      : max_message_(max_message), lose_(std::move(lose)) {}

  /// A stage's end; this outlives it.
  std::unique_ptr<Channel> Open(std::uint32_t stage);

 private:
  friend class MemoryChannel;

  const std::size_t max_message_;
  const std::function<bool()> lose_;
  std::mutex mutex_;  // guards what follows
  std::map<std::uint32_t, std::deque<std::vector<std::byte>>> boxes_;
};

}  // namespace ndcao
