// In place of all that includes libnats, where it is not installed.
#include <fmt/format.h>

#include "ndcao/journal/nats/run_server.h"

namespace ndcao {

Result<std::unique_ptr<RunServer>> ConnectNats(const NatsOptions& options) {
  return Invalid(
      fmt::format("--journal {}: this ndcao was built without NATS; install libnats-dev 3.4 or "
                  "later and build it again",
                  options.ShownUrl()));
}

}  // namespace ndcao
