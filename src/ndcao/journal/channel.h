// Messages between the stages of a partitioned run. At most once: a message may be lost, never
// changed or repeated; those from one sender to one stage come in order.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "ndcao/base/result.h"

namespace ndcao {

/// One stage's end. One thread at a time.
class Channel {
 public:
  virtual ~Channel() = default;

  /// Does not wait for the receiver. kInvalid for more than max_message() bytes.
  virtual Status Send(std::uint32_t stage, std::span<const std::byte> message) = 0;
  /// The next message to this stage, if one comes within `wait`.
  virtual Result<std::optional<std::vector<std::byte>>> Receive(std::chrono::milliseconds wait) = 0;
  /// The largest message that gets through, in bytes.
  virtual std::size_t max_message() const = 0;
};

}  // namespace ndcao
