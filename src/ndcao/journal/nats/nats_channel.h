// A stage's messages over core NATS: no stream keeps them.
#pragma once

#include <string>

#include "ndcao/journal/channel.h"
#include "ndcao/journal/nats/connection.h"

namespace ndcao {

class NatsChannel : public Channel {
 public:
  /// `connection` outlives it.
  static Result<std::unique_ptr<Channel>> Open(Connection& connection, const std::string& run,
                                               std::uint32_t stage);

  ~NatsChannel() override { connection_.Retire(std::move(subscription_)); }

  Status Send(std::uint32_t stage, std::span<const std::byte> message) override;
  Result<std::optional<std::vector<std::byte>>> Receive(std::chrono::milliseconds wait) override;
  std::size_t max_message() const override;

 private:
  NatsChannel(Connection& connection, std::string run)
      : connection_(connection), run_(std::move(run)) {}

  Connection& connection_;
  const std::string run_;
  SubscriptionHandle subscription_;
};

}  // namespace ndcao
