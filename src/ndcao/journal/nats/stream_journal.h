// The journal of one run in a stream: a thread that reads, and appenders that share messages.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "ndcao/journal/nats/batch_publisher.h"
#include "ndcao/journal/nats/journal_consumer.h"
#include "ndcao/journal/nats/run_server.h"

namespace ndcao {

class StreamJournal : public NatsJournal {
 public:
  static Result<std::unique_ptr<NatsJournal>> Open(Connection& connection, const std::string& run,
                                                   std::span<const std::byte> checkpoint);
  ~StreamJournal() override;

  Result<Offset> Append(const Record& record) override;
  Result<std::vector<Entry>> Read(Offset from, std::size_t max,
                                  std::chrono::milliseconds wait) override;
  std::uint64_t bytes() const override;
  Result<Offset> End() override;
  std::uint64_t spec_hash() const override;
  std::string creator() const override;
  std::optional<std::vector<std::byte>> CheckpointBefore(Offset offset) const override;
  Status CheckChain(Offset offset, std::uint64_t chain) override;
  bool history_changed() const override;
  std::string DescribeDrops() const override;

 private:
  // Where a reader stands, between two messages.
  struct Checkpoint {
    std::uint64_t sequence = 1;  // of the next message
    std::uint64_t before = 0;    // hash of the one before it
    std::uint64_t chain = 0;     // of the records before it
    RecordFilter filter;

    std::vector<std::byte> Encode() const;
    static Result<Checkpoint> Decode(std::span<const std::byte> bytes);
  };
  // What became of one of our own messages.
  struct Fate {
    Offset first = 0;
    std::optional<Drop> drop;
  };
  // The journal from the beginning, for who asks for records that are kept no more.
  struct History {
    JournalConsumer consumer;
    RecordFilter filter;
    std::vector<Entry> entries;  // of the message taken last
  };

  StreamJournal(Connection& connection, const std::string& run, Checkpoint start);
  void ReadLoop(std::stop_token stop);
  void Take(const StreamMessage& message);
  Status WaitFor(std::uint64_t sequence);
  Status ReadHistory(Offset from, Offset until, std::size_t max, std::vector<Entry>& found);
  Result<std::optional<Fate>> FateOf(const BatchPublisher::Ticket& ticket);

  Connection& connection_;
  const std::string run_;
  const std::string stream_;
  const Offset first_;  // where this reader began, and the chain there
  const std::uint64_t first_chain_;
  BatchPublisher publisher_;

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable grown_;
  RecordFilter filter_;
  std::uint64_t chain_ = 0;    // of all records so far
  std::deque<Entry> entries_;  // that were not asked for yet, and some before
  Offset asked_ = 0;           // the largest offset that was asked for
  std::uint64_t next_sequence_ = 1;
  std::uint64_t bytes_ = 0;
  std::deque<Checkpoint> checkpoints_;
  std::map<std::uint32_t, Fate> fates_;  // of our own messages, until their appenders know
  std::optional<Error> error_;
  bool changed_ = false;

  std::mutex history_mutex_;
  std::unique_ptr<History> history_;

  JournalConsumer consumer_;  // the reading thread's
  std::jthread reader_;
};

}  // namespace ndcao
