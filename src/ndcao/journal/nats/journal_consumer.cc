#include "ndcao/journal/nats/journal_consumer.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "ndcao/base/hash.h"
#include "ndcao/journal/nats/names.h"

namespace ndcao {
namespace {

using std::chrono::milliseconds;

// Messages asked for at once; and how many are read again after a reconnection.
constexpr int kBatch = 512;
constexpr std::size_t kCompared = 64;
constexpr std::int64_t kNanosecond = 1;
constexpr std::int64_t kSecond = 1'000'000'000 * kNanosecond;
// While there is nothing to deliver, the server says every second that it is alive.
constexpr milliseconds kSilence{3000};
// A new leader may not have caught up yet: so long a shorter stream is given time to grow again.
constexpr milliseconds kGrace{5000};

// The stream sequence in $JS.ACK.STREAM.CONSUMER.DELIVERIES.SEQUENCE.… (or with domain and account
// in front of the stream); 0 if the reply is no such thing.
std::uint64_t SequenceOf(const char* reply) {
  std::vector<std::string_view> tokens;
  const std::string_view text = reply == nullptr ? "" : reply;
  if (!text.starts_with("$JS.ACK.")) return 0;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('.', begin), text.size());
    tokens.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  const std::size_t at = tokens.size() >= 11 ? 7 : 5;
  if (tokens.size() <= at) return 0;
  std::uint64_t sequence = 0;
  std::from_chars(tokens[at].data(), tokens[at].data() + tokens[at].size(), sequence);
  return sequence;
}

}  // namespace

JournalConsumer::JournalConsumer(Connection& connection, std::string stream, std::uint64_t sequence,
                                 std::uint64_t before)
    : connection_(connection), stream_(std::move(stream)), next_(sequence) {
  if (before != 0 && sequence > 1) recent_.push_back({sequence - 1, before});
}

JournalConsumer::~JournalConsumer() { EndSubscription(); }

void JournalConsumer::EndSubscription() { connection_.Retire(std::move(subscription_)); }

Result<std::uint64_t> JournalConsumer::LastSequence() {
  std::uint64_t last = 0;
  NDCAO_TRY(Persist(connection_.options(), stream_, [&]() -> Result<bool> {
    StreamInfoHandle info;
    jsErrCode code = {};
    const natsStatus status =
        js_GetStreamInfo(Out(info), connection_.js(), stream_.c_str(), nullptr, &code);
    if (status == NATS_OK) last = info->State.LastSeq;
    NDCAO_TRY(connection_.CheckAllowed("$JS.API.STREAM.INFO." + stream_));
    if (status == NATS_OK || IsPassing(status) || status == NATS_ERR) return status == NATS_OK;
    return Connection::Failure("stream " + stream_, status);
  }));
  return last;
}

// False while the stream is shorter than what was read; kCorrupt when that lasts.
Result<bool> JournalConsumer::TailIsThere() {
  NDCAO_ASSIGN(const std::uint64_t last, LastSequence());
  if (last + 1 >= next_) {
    missing_since_ = {};
    return true;
  }
  if (missing_since_ == Clock::time_point()) missing_since_ = Clock::now();
  if (Clock::now() - missing_since_ < kGrace) return false;
  return Changed(last + 1);
}

Error JournalConsumer::Changed(std::uint64_t sequence) {
  changed_ = true;
  return Corrupt(fmt::format(
      "the server has lost records that it had acknowledged: from message {} of stream {} on it "
      "has another history than was read here",
      sequence, stream_));
}

Result<bool> JournalConsumer::TrySubscribe() {
  NDCAO_ASSIGN(const bool whole, TailIsThere());
  if (!whole) return false;
  const std::uint64_t from = recent_.empty() ? next_ : recent_.front().sequence;
  jsConsumerConfig config;
  jsConsumerConfig_Init(&config);
  config.AckPolicy = js_AckNone;
  config.DeliverPolicy = js_DeliverByStartSequence;
  config.OptStartSeq = from;
  config.InactiveThreshold = 60 * kSecond;
  config.Replicas = 1;
  config.MemoryStorage = true;
  ConsumerInfoHandle info;
  jsErrCode code = {};
  natsStatus status =
      js_AddConsumer(Out(info), connection_.js(), stream_.c_str(), &config, nullptr, &code);
  if (status != NATS_OK) {
    NDCAO_TRY(connection_.CheckAllowed("$JS.API.CONSUMER.CREATE." + stream_));
    if (IsPassing(status) || status == NATS_ERR) return false;  // a cluster that elects
    return Connection::Failure("consumer of stream " + stream_, status);
  }
  InboxHandle inbox;
  const std::string& prefix = connection_.options().inbox_prefix;
  status = natsInbox_Create(Out(inbox));
  if (status != NATS_OK) return Connection::Failure("inbox", status);
  // natsInbox_Create knows nothing of the connection's own prefix.
  inbox_ = inbox.get();
  if (!prefix.empty()) inbox_ = prefix + inbox_.substr(inbox_.find('.'));
  status = natsConnection_SubscribeSync(Out(subscription_), connection_.get(), inbox_.c_str());
  if (status != NATS_OK) {
    EndSubscription();
    if (IsPassing(status)) return false;
    return Connection::Failure("subscription", status);
  }
  natsSubscription_SetPendingLimits(subscription_.get(), -1, -1);
  consumer_ = info->Name;
  first_of_consumer_ = from;
  delivered_ = false;
  wanted_ = 0;
  heard_ = Clock::now();
  return true;
}

Status JournalConsumer::Subscribe() {
  EndSubscription();
  epoch_ = connection_.epoch();
  return Persist(connection_.options(), "reading " + stream_, [&] { return TrySubscribe(); });
}

Status JournalConsumer::Request() {
  const std::string subject = fmt::format("$JS.API.CONSUMER.MSG.NEXT.{}.{}", stream_, consumer_);
  const std::string body = fmt::format(R"({{"batch":{},"expires":{},"idle_heartbeat":{}}})", kBatch,
                                       30 * kSecond, kSecond);
  const natsStatus status = natsConnection_PublishRequestString(connection_.get(), subject.c_str(),
                                                                inbox_.c_str(), body.c_str());
  wanted_ = kBatch;
  if (status == NATS_OK || IsPassing(status)) return Ok();
  return Connection::Failure("reading " + stream_, status);
}

Result<std::optional<StreamMessage>> JournalConsumer::Next(milliseconds wait) {
  const Clock::time_point deadline = Clock::now() + wait;
  for (;;) {
    if (subscription_ == nullptr || epoch_ != connection_.epoch()) NDCAO_TRY(Subscribe());
    if (wanted_ < kBatch / 2) NDCAO_TRY(Request());
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - Clock::now());
    MessageHandle raw;
    const natsStatus status = natsSubscription_NextMsg(Out(raw), subscription_.get(),
                                                       std::max<std::int64_t>(1, left.count()));
    if (status == NATS_OK) {
      heard_ = Clock::now();
      NDCAO_ASSIGN(auto message, Accept(raw.get()));
      if (message) return message;
    } else if (status != NATS_TIMEOUT) {
      EndSubscription();
      if (!Pause(connection_.options(), milliseconds(20))) return std::optional<StreamMessage>();
    } else if (Clock::now() - heard_ > kSilence) {
      EndSubscription();  // the consumer died with its server
    }
    if (Clock::now() >= deadline) return std::optional<StreamMessage>();
  }
}

// A message of the stream in its turn; nothing for all else that may arrive.
Result<std::optional<StreamMessage>> JournalConsumer::Accept(natsMsg* raw) {
  const std::optional<StreamMessage> nothing;
  const std::uint64_t sequence = SequenceOf(natsMsg_GetReply(raw));
  if (sequence == 0) {
    const char* text = nullptr;
    natsMsgHeader_Get(raw, "Status", &text);
    const std::string_view code = text == nullptr ? "" : text;
    if (code == "404" || code == "408") wanted_ = 0;        // request used up
    if (code == "409" || code == "503") EndSubscription();  // consumer gone
    return nothing;
  }
  --wanted_;
  StreamMessage message;
  message.sequence = sequence;
  const auto* data = reinterpret_cast<const std::byte*>(natsMsg_GetData(raw));
  message.bytes.assign(data, data + natsMsg_GetDataLength(raw));
  const std::uint64_t hash = Hash64(message.bytes);
  if (sequence < next_) {
    delivered_ = true;
    NDCAO_TRY(Compare(sequence, hash));
    return nothing;
  }
  if (sequence > next_) {
    // Lost on the way: fetched again. Never stored here: gone for good.
    if (!delivered_ && first_of_consumer_ == next_) return Changed(next_);
    EndSubscription();
    return nothing;
  }
  delivered_ = true;
  ++next_;
  message.publisher = LastToken(natsMsg_GetSubject(raw));
  recent_.push_back({sequence, hash});
  if (recent_.size() > kCompared) recent_.pop_front();
  return std::optional(std::move(message));
}

Status JournalConsumer::Compare(std::uint64_t sequence, std::uint64_t hash) {
  for (const Seen& seen : recent_) {
    if (seen.sequence == sequence && seen.hash != hash) return Changed(sequence);
  }
  return Ok();
}

}  // namespace ndcao
