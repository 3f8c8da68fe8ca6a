#include "ndcao/data/batch_order.h"

#include "ndcao/data/sampler.h"

namespace ndcao {

BatchOrder::BatchOrder(std::uint64_t seed, std::uint32_t examples, std::uint32_t batch)
    : seed_(seed), batch_(batch), in_epoch_(examples / batch), order_(examples) {}

std::span<const std::uint32_t> BatchOrder::At(std::uint64_t step) {
  const std::uint64_t epoch = step / in_epoch_;
  if (epoch != epoch_) {
    ShuffleExamples(seed_, epoch, order_);
    epoch_ = epoch;
  }
  return std::span<const std::uint32_t>(order_).subspan(step % in_epoch_ * batch_, batch_);
}

}  // namespace ndcao
