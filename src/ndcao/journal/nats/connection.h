// One connection to a NATS server, with JetStream. It reconnects by itself, for ever.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "ndcao/base/result.h"
#include "ndcao/journal/nats/handles.h"
#include "ndcao/journal/nats/nats_options.h"

namespace ndcao {

class Connection {
 public:
  static Result<std::unique_ptr<Connection>> Open(const NatsOptions& options);
  /// Returns when the library's threads are done with this object and with its subscriptions.
  ~Connection();

  const NatsOptions& options() const { return options_; }
  natsConnection* get() const { return connection_.get(); }
  jsCtx* js() const { return js_.get(); }

  /// Ends a subscription. nats.c before 3.6 aborts, without a word, if one is destroyed while its
  /// reading thread hands it a message (nats.c issue 637): it is only unsubscribed, and kept until
  /// some later ones have ended or that thread has.
  void Retire(SubscriptionHandle subscription);

  /// Grows with every reconnection.
  std::uint64_t epoch() const { return epoch_; }
  /// kFailed if the server's last "Permissions Violation" names `subject` or the beginning of one:
  /// a request that is not allowed is not answered.
  Status CheckAllowed(const std::string& subject) const;

  /// A failed call as an Error: "what: reason".
  static Error Failure(const std::string& what, natsStatus status);

 private:
  explicit Connection(const NatsOptions& options) : options_(options) {}
  Status Configure(natsOptions* raw);
  Status ConfigureIdentity(natsOptions* raw);
  Status CheckJetStream();
  Error NoTls(natsStatus status) const;
  Error Refusal(natsStatus status) const;
  static void OnReconnect(natsConnection*, void* self);
  static void OnError(natsConnection*, natsSubscription*, natsStatus, void* self);
  static void OnClosed(natsConnection*, void* self);

  const NatsOptions options_;
  std::atomic<std::uint64_t> epoch_ = 0;
  mutable std::mutex mutex_;
  std::string violation_;  // guarded by mutex_, as what follows
  bool closed_ = false;
  std::condition_variable changed_;
  std::deque<SubscriptionHandle> retired_;
  ConnectionHandle connection_;
  JetStreamHandle js_;
};

/// Calls `attempt` (true: done) until it is done or fails, pausing ever longer in between: the
/// server may be away. kFailed after `options.patience`, kCancelled on request.
Status Persist(const NatsOptions& options, const std::string& what,
               const std::function<Result<bool>()>& attempt);

/// Errors of a server that is restarting or electing: worth another attempt.
bool IsPassing(natsStatus status);

/// Sleeps in small steps; false if `cancelled` said so.
bool Pause(const NatsOptions& options, std::chrono::milliseconds time);

}  // namespace ndcao
