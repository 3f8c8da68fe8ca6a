// A nats-server of our own on this machine, for a measurement.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "ndcao/base/result.h"

namespace ndcao {

class LocalNats {
 public:
  /// Starts the installed nats-server on a port of its choice, with its streams in `folder`, and
  /// waits until it listens. kInvalid if none is installed, kFailed if it does not come up.
  static Result<std::unique_ptr<LocalNats>> Start(const std::string& folder);
  /// Ends it.
  ~LocalNats();
  LocalNats(const LocalNats&) = delete;
  LocalNats& operator=(const LocalNats&) = delete;

  const std::string& url() const { return url_; }

 private:
  explicit LocalNats(pid_t process) : process_(process) {}

  /// Whether the server has ended by itself.
  bool Ended();

  pid_t process_;  // 0 once it has ended
  std::string url_;
};

}  // namespace ndcao
