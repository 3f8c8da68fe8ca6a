#include "ndcao/random/sequence.h"

#include "ndcao/random/normal.h"

namespace ndcao {

double RandomSequence::Normal() {
  if (has_spare_) {
    has_spare_ = false;
    return spare_;
  }
  const std::uint32_t radius = Next32();
  const std::uint32_t angle = Next32();
  const NormalPair pair = BoxMuller(radius, angle);
  spare_ = pair.second;
  has_spare_ = true;
  return pair.first;
}

}  // namespace ndcao
