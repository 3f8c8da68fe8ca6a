// No bytes make the IDX decoder crash, and what it accepts is consistent.
#include <cstddef>
#include <cstdint>
#include <span>

#include "ndcao/base/result.h"
#include "ndcao/data/idx.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto array = ndcao::ParseIdx(std::span(data, size), "fuzz");
  if (!array.ok()) {
    NDCAO_CHECK(!array.error().message().empty());
    return 0;
  }
  const auto& dimensions = array.value().dimensions;
  NDCAO_CHECK(!dimensions.empty());
  std::uint64_t count = 1;
  for (const std::uint32_t dimension : dimensions) count *= dimension;
  NDCAO_CHECK(count == array.value().values.size());
  NDCAO_CHECK(size == 4 + 4 * dimensions.size() + count);
  return 0;
}
