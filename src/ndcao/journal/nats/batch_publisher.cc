#include "ndcao/journal/nats/batch_publisher.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "ndcao/base/hash.h"
#include "ndcao/journal/nats/record_filter.h"

namespace ndcao {
namespace {

// A message is closed when the next record would not fit: large enough for a hundred groups.
constexpr std::size_t kBatchBytes = 48 << 10;
constexpr std::int64_t kAckMilliseconds = 2000;

std::uint64_t RandomNumber() {
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

}  // namespace

BatchPublisher::BatchPublisher(Connection& connection, std::string stream, std::string subject)
    : connection_(connection),
      stream_(std::move(stream)),
      subject_(std::move(subject)),
      writer_(RandomNumber()) {}

Result<BatchPublisher::Ticket> BatchPublisher::Publish(std::vector<std::byte> payload,
                                                       std::uint64_t spec_hash) {
  if (payload.size() + kRecordOverhead + kMessageOverhead > kMaxMessageBytes) {
    return Invalid(fmt::format("a record has {} bytes; at most {} fit into a message",
                               payload.size(),
                               kMaxMessageBytes - kRecordOverhead - kMessageOverhead));
  }
  Waiting mine;
  mine.payload = std::move(payload);
  std::unique_lock lock(mutex_);
  queue_.push_back(&mine);
  changed_.notify_all();
  while (!mine.done) {
    // Whoever finds a free place sends for all that wait.
    if (!mine.taken && under_way_ < connection_.options().in_flight) {
      SendBatch(lock, spec_hash);
    } else {
      changed_.wait(lock);
    }
  }
  if (mine.error) return *mine.error;
  return mine.ticket;
}

// What fits into one message, after waiting `linger` for more.
std::vector<BatchPublisher::Waiting*> BatchPublisher::TakeBatch(
    std::unique_lock<std::mutex>& lock) {
  const auto bytes = [this] {
    std::size_t sum = 0;
    for (const Waiting* w : queue_) sum += w->payload.size() + kRecordOverhead;
    return sum;
  };
  const auto linger = connection_.options().linger;
  if (linger.count() > 0) {
    changed_.wait_for(lock, linger, [&] { return bytes() >= kBatchBytes; });
  }
  std::vector<Waiting*> batch;
  std::size_t size = 0;
  while (!queue_.empty()) {
    size += queue_.front()->payload.size() + kRecordOverhead;
    if (!batch.empty() && size > kBatchBytes) break;
    batch.push_back(queue_.front());
    batch.back()->taken = true;
    queue_.pop_front();
  }
  return batch;
}

void BatchPublisher::SendBatch(std::unique_lock<std::mutex>& lock, std::uint64_t spec_hash) {
  ++under_way_;
  const std::vector<Waiting*> batch = TakeBatch(lock);
  if (!batch.empty()) {
    // Behind this many newer messages of ours one would count for nothing (RecordFilter).
    changed_.wait(lock, [&] {
      return unacknowledged_.empty() ||
             next_message_ - *unacknowledged_.begin() < RecordFilter::kWindow;
    });
    JournalMessage message{writer_, next_message_++, spec_hash, {}};
    unacknowledged_.insert(message.number);
    for (const Waiting* w : batch) message.payloads.push_back(w->payload);
    lock.unlock();
    Ticket ticket{message.number, 0,
                  std::make_shared<const std::vector<std::byte>>(EncodeMessage(message))};
    const Status sent = PublishAgain(ticket);
    lock.lock();
    unacknowledged_.erase(message.number);
    for (std::uint32_t place = 0; place < batch.size(); ++place) {
      Waiting& waiting = *batch[place];
      waiting.ticket = ticket;
      waiting.ticket.place = place;
      if (!sent.ok()) waiting.error = sent.error();
      waiting.done = true;
    }
  }
  --under_way_;
  changed_.notify_all();
}

Status BatchPublisher::PublishAgain(const Ticket& ticket) {
  const std::string id = fmt::format("{:x}.{:x}", writer_, ticket.message);
  return Persist(connection_.options(), "appending to " + stream_,
                 [&] { return TrySend(id, *ticket.bytes); });
}

Result<bool> BatchPublisher::TrySend(const std::string& id, std::span<const std::byte> bytes) {
  jsPubOptions options;
  jsPubOptions_Init(&options);
  options.MaxWait = kAckMilliseconds;
  options.MsgId = id.c_str();
  options.ExpectStream = stream_.c_str();
  PubAckHandle ack;
  jsErrCode code = {};
  const natsStatus status = js_Publish(Out(ack), connection_.js(), subject_.c_str(), bytes.data(),
                                       static_cast<int>(bytes.size()), &options, &code);
  if (status == NATS_OK) return true;
  const Status allowed = connection_.CheckAllowed(subject_);
  if (!allowed.ok()) return allowed.error().Context("appending to " + stream_);
  if (IsPassing(status)) return false;
  // A server that restarts or elects answers with errors of its own (5xx) for a while.
  constexpr int kTemporary = 10008;  // JSClusterNotAvailErr
  if (status == NATS_ERR && (code == 0 || code == kTemporary || code == JSStreamNotFoundErr)) {
    return false;
  }
  return Connection::Failure("appending to " + stream_, status);
}

}  // namespace ndcao
