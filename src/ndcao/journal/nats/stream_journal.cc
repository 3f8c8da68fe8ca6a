#include "ndcao/journal/nats/stream_journal.h"

#include <fmt/format.h>

#include <algorithm>

#include "ndcao/base/hash.h"
#include "ndcao/base/log.h"
#include "ndcao/journal/codec.h"
#include "ndcao/journal/nats/names.h"

namespace ndcao {
namespace {

using std::chrono::milliseconds;

// Entries kept behind the last one asked for, and at most: older ones are read from the server.
constexpr std::size_t kKeptBehind = 4096;
constexpr std::size_t kKeptAtMost = 200'000;
// A checkpoint every so many messages, and how many of them are kept.
constexpr std::uint64_t kCheckpointEvery = 512;
constexpr std::size_t kCheckpoints = 64;
// How many messages an appender may be late to ask for its own.
constexpr std::uint32_t kFatesKept = 4096;
// A message that was acknowledged and does not come back for so long is sent again.
constexpr milliseconds kComesBack{5000};

}  // namespace

std::vector<std::byte> StreamJournal::Checkpoint::Encode() const {
  ByteWriter out;
  out.Put(sequence);
  out.Put(before);
  out.Put(chain);
  filter.Save(out);
  return out.Take();
}

Result<StreamJournal::Checkpoint> StreamJournal::Checkpoint::Decode(
    std::span<const std::byte> bytes) {
  Checkpoint checkpoint;
  if (bytes.empty()) return checkpoint;
  ByteReader in(bytes);
  checkpoint.sequence = in.Get<std::uint64_t>();
  checkpoint.before = in.Get<std::uint64_t>();
  checkpoint.chain = in.Get<std::uint64_t>();
  if (!checkpoint.filter.Load(in) || in.remaining() > 0 || checkpoint.sequence == 0) {
    return Corrupt("the checkpoint's length is wrong");
  }
  return checkpoint;
}

Result<std::unique_ptr<NatsJournal>> StreamJournal::Open(Connection& connection,
                                                         const std::string& run,
                                                         std::span<const std::byte> checkpoint) {
  NDCAO_ASSIGN(Checkpoint start, Checkpoint::Decode(checkpoint));
  const std::string stream = JournalStream(run);
  if (start.sequence > 1) {
    MessageHandle before;
    jsErrCode code = {};
    const natsStatus status =
        js_GetMsg(Out(before), connection.js(), stream.c_str(), start.sequence - 1, nullptr, &code);
    if (status != NATS_OK && status != NATS_NOT_FOUND) {
      return Connection::Failure("stream " + stream, status);
    }
    std::uint64_t hash = 0;
    if (before != nullptr) {
      const auto* data = reinterpret_cast<const std::byte*>(natsMsg_GetData(before.get()));
      const auto size = static_cast<std::size_t>(natsMsg_GetDataLength(before.get()));
      hash = Hash64(std::span(data, size));
    }
    if (before == nullptr || hash != start.before) {
      return Corrupt("it belongs to records that the server does not have");
    }
  }
  return std::unique_ptr<NatsJournal>(new StreamJournal(connection, run, std::move(start)));
}

StreamJournal::StreamJournal(Connection& connection, const std::string& run, Checkpoint start)
    : connection_(connection),
      run_(run),
      stream_(JournalStream(run)),
      first_(start.filter.next_offset()),
      first_chain_(start.chain),
      publisher_(connection, stream_, JournalSubject(run, connection.options().writer)),
      filter_(start.filter),
      chain_(start.chain),
      asked_(start.filter.next_offset()),
      next_sequence_(start.sequence),
      consumer_(connection, stream_, start.sequence, start.before) {
  checkpoints_.push_back(std::move(start));
  reader_ = std::jthread([this](std::stop_token stop) { ReadLoop(stop); });
}

StreamJournal::~StreamJournal() = default;  // reader_ goes first, and joins

void StreamJournal::ReadLoop(std::stop_token stop) {
  while (!stop.stop_requested()) {
    Result<std::optional<StreamMessage>> message = consumer_.Next(milliseconds(100));
    if (!message.ok()) {
      const std::lock_guard lock(mutex_);
      error_ = message.error().Context(fmt::format("run '{}'", run_));
      changed_ = consumer_.changed();
      grown_.notify_all();
      return;
    }
    if (message.value()) Take(*message.value());
  }
}

void StreamJournal::Take(const StreamMessage& message) {
  std::vector<Entry> entries;
  const std::lock_guard lock(mutex_);
  const std::optional<Drop> drop = filter_.Take(message.publisher, message.bytes, entries);
  if (drop && *drop != Drop::kRepeated) {
    spdlog::warn("run '{}': a message of '{}' is dropped: {}", run_, message.publisher,
                 NameOf(*drop));
  }
  if (message.publisher == connection_.options().writer) {
    const Result<JournalMessage> decoded = DecodeMessage(message.bytes);
    if (decoded.ok() && decoded.value().writer == publisher_.writer()) {
      fates_.emplace(decoded.value().number,
                     Fate{entries.empty() ? 0 : entries.front().offset, drop});
      while (fates_.size() > kFatesKept) fates_.erase(fates_.begin());
    }
  }
  for (Entry& entry : entries) {
    chain_ = ChainHash(chain_, entry.hash);
    entries_.push_back(std::move(entry));
  }
  while (entries_.size() > kKeptAtMost) entries_.pop_front();
  bytes_ += message.bytes.size();
  next_sequence_ = message.sequence + 1;
  if (message.sequence % kCheckpointEvery == 0) {
    checkpoints_.push_back({next_sequence_, consumer_.last_hash(), chain_, filter_});
    if (checkpoints_.size() > kCheckpoints) checkpoints_.pop_front();
  }
  grown_.notify_all();
}

Result<Offset> StreamJournal::Append(const Record& record) {
  std::vector<std::byte> payload = EncodeRecord(record);
  std::uint64_t spec_hash = this->spec_hash();
  if (spec_hash == 0 && !std::holds_alternative<SpecRecord>(record)) {
    return Invalid(fmt::format("run '{}' has no record 0 yet", run_));
  }
  if (spec_hash == 0) spec_hash = Hash64(payload);
  NDCAO_ASSIGN(BatchPublisher::Ticket ticket, publisher_.Publish(std::move(payload), spec_hash));
  for (;;) {
    NDCAO_ASSIGN(const std::optional<Fate> fate, FateOf(ticket));
    if (!fate) {
      NDCAO_TRY(publisher_.PublishAgain(ticket));
      continue;
    }
    if (!fate->drop) return fate->first + ticket.place;
    return Error(ErrorCode::kConflict,
                 fmt::format("run '{}': our message counts for nothing there: {}", run_,
                             NameOf(*fate->drop)));
  }
}

// What became of our message; nothing if it does not come back for a while.
Result<std::optional<StreamJournal::Fate>> StreamJournal::FateOf(
    const BatchPublisher::Ticket& ticket) {
  std::unique_lock lock(mutex_);
  grown_.wait_for(lock, kComesBack, [&] { return error_ || fates_.contains(ticket.message); });
  const auto fate = fates_.find(ticket.message);
  if (fate != fates_.end()) return std::optional(fate->second);
  if (error_) return *error_;
  return std::optional<Fate>();
}

Result<std::vector<Entry>> StreamJournal::Read(Offset from, std::size_t max, milliseconds wait) {
  std::unique_lock lock(mutex_);
  const auto first = [this] { return filter_.next_offset() - entries_.size(); };
  std::vector<Entry> found;
  while (found.size() < max && from < first()) {
    const Offset until = first();
    const std::size_t before = found.size();
    lock.unlock();
    NDCAO_TRY(ReadHistory(from, until, max, found));
    lock.lock();
    from += found.size() - before;
  }
  if (found.empty() && max > 0 && wait.count() > 0) {
    grown_.wait_for(lock, wait, [&] { return error_ || filter_.next_offset() > from; });
  }
  if (error_) return *error_;
  if (from < first()) return found;  // dropped while we waited: the next call reads it
  for (std::size_t i = from - first(); i < entries_.size() && found.size() < max; ++i) {
    found.push_back(entries_[i]);
  }
  asked_ = std::max(asked_, from);
  while (!entries_.empty() && entries_.front().offset + kKeptBehind < asked_) entries_.pop_front();
  return found;
}

// Appends to `found` the records from `from` on, at most up to `until` and up to `max` in all.
Status StreamJournal::ReadHistory(Offset from, Offset until, std::size_t max,
                                  std::vector<Entry>& found) {
  const std::lock_guard lock(history_mutex_);
  if (!history_ || history_->filter.next_offset() - history_->entries.size() > from) {
    history_.reset(new History{{connection_, stream_, 1, 0}, {}, {}});
  }
  History& h = *history_;
  const NatsOptions& options = connection_.options();
  auto deadline = std::chrono::steady_clock::now() + options.patience;
  while (from < until && found.size() < max) {
    for (const Entry& entry : h.entries) {
      if (entry.offset != from || from >= until || found.size() >= max) continue;
      found.push_back(entry);
      ++from;
    }
    if (from < h.filter.next_offset()) continue;
    NDCAO_ASSIGN(const auto message, h.consumer.Next(milliseconds(200)));
    if (message) {
      h.entries.clear();
      h.filter.Take(message->publisher, message->bytes, h.entries);
      deadline = std::chrono::steady_clock::now() + options.patience;
    } else if (std::chrono::steady_clock::now() > deadline || options.cancelled()) {
      return Failed(fmt::format("run '{}': record {} does not come from the server", run_, from));
    }
  }
  return Ok();
}

std::uint64_t StreamJournal::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

Result<Offset> StreamJournal::End() {
  JournalConsumer asker(connection_, stream_, 1, 0);
  NDCAO_ASSIGN(const std::uint64_t last, asker.LastSequence());
  NDCAO_TRY(WaitFor(last));
  const std::lock_guard lock(mutex_);
  return filter_.next_offset();
}

// Until the reading thread has taken the message with this sequence.
Status StreamJournal::WaitFor(std::uint64_t sequence) {
  std::unique_lock lock(mutex_);
  while (next_sequence_ <= sequence) {
    if (error_) return *error_;
    if (connection_.options().cancelled()) return Error(ErrorCode::kCancelled, "stopped");
    grown_.wait_for(lock, milliseconds(100));
  }
  return Ok();
}

std::uint64_t StreamJournal::spec_hash() const {
  const std::lock_guard lock(mutex_);
  return filter_.spec_hash();
}

std::string StreamJournal::creator() const {
  const std::lock_guard lock(mutex_);
  return filter_.creator();
}

std::optional<std::vector<std::byte>> StreamJournal::CheckpointBefore(Offset offset) const {
  const std::lock_guard lock(mutex_);
  for (auto it = checkpoints_.rbegin(); it != checkpoints_.rend(); ++it) {
    if (it->filter.next_offset() <= offset) return it->Encode();
  }
  return std::nullopt;
}

Status StreamJournal::CheckChain(Offset offset, std::uint64_t chain) {
  constexpr std::size_t kReadAtOnce = 1024;
  NDCAO_ASSIGN(const Offset end, End());
  Offset at = first_;
  std::uint64_t now = first_chain_;
  while (at < offset && at < end) {
    NDCAO_ASSIGN(const auto entries,
                 Read(at, std::min<std::size_t>(kReadAtOnce, offset - at), milliseconds(0)));
    if (entries.empty()) break;
    for (const Entry& entry : entries) now = ChainHash(now, entry.hash);
    at += entries.size();
  }
  if (at == offset && now == chain) return Ok();
  return Corrupt("it belongs to records that the server does not have");
}

bool StreamJournal::history_changed() const {
  const std::lock_guard lock(mutex_);
  return changed_;
}

std::string StreamJournal::DescribeDrops() const {
  const std::lock_guard lock(mutex_);
  std::string text;
  for (std::size_t i = 0; i < kDropKinds; ++i) {
    if (filter_.drops()[i] == 0) continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", filter_.drops()[i],
                        NameOf(static_cast<Drop>(i)));
  }
  return text;
}

}  // namespace ndcao
