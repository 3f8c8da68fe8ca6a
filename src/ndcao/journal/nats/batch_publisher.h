// Publishes records of many threads, several in one message when they come faster than the server
// acknowledges. Any thread may call.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "ndcao/journal/nats/connection.h"
#include "ndcao/journal/nats/message.h"

namespace ndcao {

class BatchPublisher {
 public:
  /// Which message a record went with, and its place in it.
  struct Ticket {
    std::uint32_t message = 0;
    std::uint32_t place = 0;
    std::shared_ptr<const std::vector<std::byte>> bytes;  ///< The message.
  };

  BatchPublisher(Connection& connection, std::string stream, std::string subject);

  /// This object's number as a writer: random.
  std::uint64_t writer() const { return writer_; }

  /// Returns once the server has acknowledged the record. While there are fewer messages under way
  /// than the options allow, a record waits only their `linger` for company. Tries again while the
  /// server is away; the message keeps its id, so it is stored once.
  Result<Ticket> Publish(std::vector<std::byte> payload, std::uint64_t spec_hash);

  /// The same message once more, under the same id: for one that did not come back from the
  /// stream.
  Status PublishAgain(const Ticket& ticket);

 private:
  struct Waiting {
    std::vector<std::byte> payload;
    Ticket ticket;
    bool taken = false;
    bool done = false;
    std::optional<Error> error;
  };

  std::vector<Waiting*> TakeBatch(std::unique_lock<std::mutex>& lock);
  void SendBatch(std::unique_lock<std::mutex>& lock, std::uint64_t spec_hash);
  Result<bool> TrySend(const std::string& id, std::span<const std::byte> bytes);

  Connection& connection_;
  const std::string stream_;
  const std::string subject_;
  const std::uint64_t writer_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::deque<Waiting*> queue_;
  std::uint32_t next_message_ = 0;
  std::set<std::uint32_t> unacknowledged_;
  int under_way_ = 0;
};

}  // namespace ndcao
