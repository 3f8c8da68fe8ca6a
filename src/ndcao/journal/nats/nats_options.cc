#include "ndcao/journal/nats/nats_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "ndcao/journal/nats/names.h"

namespace ndcao {

std::string NatsOptions::ShownUrl() const {
  std::string shown;
  for (std::size_t begin = 0; begin < url.size();) {
    const std::size_t end = std::min(url.find(',', begin), url.size());
    const std::string_view server = std::string_view(url).substr(begin, end - begin);
    const std::size_t scheme = server.find("//");
    const std::size_t host = server.rfind('@');
    const std::size_t first = scheme == server.npos ? 0 : scheme + 2;
    if (!shown.empty()) shown += ',';
    shown += server.substr(0, first);
    shown += server.substr(host == server.npos ? first : host + 1);
    begin = end + 1;
  }
  return shown;
}

Status NatsOptions::Validate() const {
  if (!url.starts_with("nats://") && !url.starts_with("tls://")) {
    return Invalid(
        fmt::format("--journal {}: expected nats://HOST:PORT or tls://HOST:PORT", ShownUrl()));
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
