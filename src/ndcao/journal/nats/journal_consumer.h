// The messages of a stream in order, each once: a pull consumer whose every sequence is checked.
//
// A gap is fetched again. After a reconnection, or when the server falls silent, a new consumer
// begins some messages back, and these are compared with what was read before: a server that lost
// its tail uses the same sequences again. One thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "ndcao/journal/nats/connection.h"

namespace ndcao {

struct StreamMessage {
  std::uint64_t sequence = 0;
  std::string publisher;  ///< The subject's last token.
  std::vector<std::byte> bytes;
};

class JournalConsumer {
 public:
  /// Begins at `sequence` (from 1). `before`: hash of the message before it, if known (0: not).
  JournalConsumer(Connection& connection, std::string stream, std::uint64_t sequence,
                  std::uint64_t before);
  ~JournalConsumer();

  /// The next message, if one comes within `wait`. kCorrupt (and changed()) if the server has
  /// another history than was read, kFailed if it does not answer for the options' patience.
  Result<std::optional<StreamMessage>> Next(std::chrono::milliseconds wait);

  /// Hash of the message before the next one; 0 if there is none or it is not known.
  std::uint64_t last_hash() const { return recent_.empty() ? 0 : recent_.back().hash; }
  bool changed() const { return changed_; }

  /// The stream's last sequence, as the server says.
  Result<std::uint64_t> LastSequence();

 private:
  using Clock = std::chrono::steady_clock;
  struct Seen {
    std::uint64_t sequence = 0;
    std::uint64_t hash = 0;
  };

  Status Subscribe();
  void EndSubscription();
  Result<bool> TrySubscribe();
  Result<bool> TailIsThere();
  Status Request();
  Result<std::optional<StreamMessage>> Accept(natsMsg* raw);
  Status Compare(std::uint64_t sequence, std::uint64_t hash);
  Error Changed(std::uint64_t sequence);

  Connection& connection_;
  const std::string stream_;
  std::uint64_t next_;
  std::deque<Seen> recent_;  // the newest that were read, in order
  bool changed_ = false;

  std::string consumer_;
  std::string inbox_;
  SubscriptionHandle subscription_;  // null: to be made
  std::uint64_t epoch_ = 0;          // of the connection, when it was made
  std::uint64_t first_of_consumer_ = 0;
  bool delivered_ = false;  // anything since it was made
  int wanted_ = 0;          // messages that may still come without another request
  Clock::time_point heard_;
  Clock::time_point missing_since_;
};

}  // namespace ndcao
