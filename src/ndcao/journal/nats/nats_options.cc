#include "ndcao/journal/nats/nats_options.h"

#include <fmt/format.h>

#include "ndcao/journal/nats/names.h"

namespace ndcao {

Status NatsOptions::Validate() const {
  if (!url.starts_with("nats://") && !url.starts_with("tls://")) {
    return Invalid(fmt::format("--journal {}: expected nats://HOST:PORT or tls://HOST:PORT", url));
  }
  NDCAO_TRY(CheckName("--worker-name", writer));
  if (replicas != 1 && replicas != 3 && replicas != 5) {
    return Invalid(fmt::format("--replicas {}: allowed are 1, 3 and 5", replicas));
  }
  if (in_flight < 1 || in_flight > 32) {
    return Invalid(fmt::format("--in-flight {}: allowed are 1 to 32", in_flight));
  }
  if (linger.count() < 0 || linger > std::chrono::seconds(10)) {
    return Invalid(fmt::format("--batch-ms {}: allowed are 0 to 10000", linger.count()));
  }
  if (certificate.empty() != key.empty()) {
    return Invalid("--tls-cert and --tls-key go together: one of them is missing");
  }
  return Ok();
}

}  // namespace ndcao
