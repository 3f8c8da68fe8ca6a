#include "ndcao/journal/nats/nats_channel.h"

#include <fmt/format.h>

#include "ndcao/journal/nats/names.h"

namespace ndcao {

Result<std::unique_ptr<Channel>> NatsChannel::Open(Connection& connection, const std::string& run,
                                                   std::uint32_t stage) {
  std::unique_ptr<NatsChannel> self(new NatsChannel(connection, run));
  const std::string subject = StageSubject(run, stage);
  const natsStatus status =
      natsConnection_SubscribeSync(Out(self->subscription_), connection.get(), subject.c_str());
  if (status != NATS_OK) return Connection::Failure("subscribing to " + subject, status);
  // The senders bound what is under way; nothing is to be dropped here.
  natsSubscription_SetPendingLimits(self->subscription_.get(), -1, -1);
  return std::unique_ptr<Channel>(std::move(self));
}

Status NatsChannel::Send(std::uint32_t stage, std::span<const std::byte> message) {
  const std::string subject = StageSubject(run_, stage);
  if (message.size() > max_message()) {
    return Invalid(fmt::format(
        "a message of {} bytes to stage {} is above the server's payload limit of {}; split with a "
        "smaller --batch, or raise the server's max_payload",
        message.size(), stage, max_message()));
  }
  const natsStatus status = natsConnection_Publish(
      connection_.get(), subject.c_str(), message.data(), static_cast<int>(message.size()));
  // While the server is away messages are lost, and are sent again when nobody answers.
  if (status == NATS_OK || IsPassing(status) || status == NATS_INSUFFICIENT_BUFFER) return Ok();
  return Connection::Failure("sending to " + subject, status);
}

Result<std::optional<std::vector<std::byte>>> NatsChannel::Receive(std::chrono::milliseconds wait) {
  using Bytes = std::optional<std::vector<std::byte>>;
  MessageHandle message;
  const natsStatus status =
      natsSubscription_NextMsg(Out(message), subscription_.get(), wait.count());
  if (message == nullptr) {
    if (status == NATS_TIMEOUT || status == NATS_SLOW_CONSUMER || IsPassing(status)) {
      return Bytes();
    }
    return Connection::Failure("receiving", status);
  }
  const auto* data = reinterpret_cast<const std::byte*>(natsMsg_GetData(message.get()));
  return Bytes(std::vector<std::byte>(data, data + natsMsg_GetDataLength(message.get())));
}

std::size_t NatsChannel::max_message() const {
  return static_cast<std::size_t>(natsConnection_GetMaxPayload(connection_.get()));
}

}  // namespace ndcao
