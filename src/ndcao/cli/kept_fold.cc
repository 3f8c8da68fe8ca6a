#include "ndcao/cli/kept_fold.h"

#include "ndcao/base/bytes.h"

namespace ndcao {

std::vector<std::byte> KeptFold::Encode() const {
  ByteWriter out;
  out.Put(offset);
  out.PutVector(checkpoint);
  out.PutVector(replica);
  return out.Take();
}

Result<KeptFold> KeptFold::Decode(std::span<const std::byte> bytes) {
  ByteReader in(bytes);
  KeptFold kept;
  kept.offset = in.Get<Offset>();
  kept.checkpoint = in.GetVector<std::byte>();
  kept.replica = in.GetVector<std::byte>();
  if (!in.ok() || in.remaining() > 0) return Corrupt("its length is wrong");
  return kept;
}

}  // namespace ndcao
