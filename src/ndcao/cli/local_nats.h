// A nats-server of our own on this machine, for a measurement.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "ndcao/base/result.h"

namespace ndcao {

class LocalNats {
 public:
  /// Starts the installed nats-server on a free port, with its streams in `folder`, and waits until
  /// it answers. kInvalid if there is none.
  static Result<std::unique_ptr<LocalNats>> Start(const std::string& folder);
  /// Ends it.
  ~LocalNats();
  LocalNats(const LocalNats&) = delete;
  LocalNats& operator=(const LocalNats&) = delete;

  std::string url() const;

 private:
  LocalNats(pid_t process, int port) : process_(process), port_(port) {}

  pid_t process_;
  int port_;
};

}  // namespace ndcao
