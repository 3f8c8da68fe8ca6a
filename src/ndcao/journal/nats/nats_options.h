// How a NATS server is reached, and as whom.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "ndcao/base/result.h"

namespace ndcao {

struct NatsOptions {
  /// nats://HOST:PORT or tls://HOST:PORT; several servers of one cluster separated by commas.
  std::string url;
  /// Who publishes: the last token of this process's subjects. One name for each user that the
  /// server tells apart.
  std::string writer = "worker";
  std::string user;
  std::string password;
  std::string token;
  std::string credentials;  ///< A .creds file (JWT and nkey seed).
  std::string nkey;         ///< A file with an nkey seed; its public key in a second line.
  std::string ca;           ///< PEM files: whom to trust, who one is, and its key.
  std::string certificate;
  std::string key;
  std::string inbox_prefix;  ///< Where answers come to; empty: _INBOX.
  /// Copies that the servers keep of a run that is created: 1, 3 or 5.
  int replicas = 1;
  /// How long a record may wait for others to share its message.
  std::chrono::milliseconds linger{0};
  /// Messages that one process may have under way: 1 to 32.
  int in_flight = 4;
  /// How long a server that does not answer is asked again.
  std::chrono::milliseconds patience{60000};
  /// Polled while waiting; true ends the wait with kCancelled.
  std::function<bool()> cancelled = [] { return false; };

  /// `url` for messages and files: without the user and password that stand before an '@'.
  std::string ShownUrl() const;
  /// kInvalid, naming the flag, its value and what is allowed.
  Status Validate() const;
};

}  // namespace ndcao
