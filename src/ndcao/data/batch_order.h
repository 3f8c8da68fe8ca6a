// The batches of a run that goes through its training set epoch by epoch: a pure function of (run
// seed, step). One thread at a time.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace ndcao {

class BatchOrder {
 public:
  /// Of `examples` examples in batches of `batch`, 0 < batch <= examples. What does not fill a
  /// batch at an epoch's end is left out.
  BatchOrder(std::uint64_t seed, std::uint32_t examples, std::uint32_t batch);

  /// The batch of a step; valid until the next call.
  std::span<const std::uint32_t> At(std::uint64_t step);

 private:
  const std::uint64_t seed_;
  const std::uint32_t batch_;
  const std::uint64_t in_epoch_;
  std::uint64_t epoch_ = ~std::uint64_t{0};
  std::vector<std::uint32_t> order_;  // of the epoch
};

}  // namespace ndcao
