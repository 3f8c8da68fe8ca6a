#include "ndcao/base/large_pages.h"

#include <linux/mman.h>
#include <sys/mman.h>

#include <cstdint>

namespace ndcao {

void UseLargePages(std::span<const std::byte> memory) {
#if defined(MADV_HUGEPAGE)
  constexpr std::uintptr_t kPage = std::uintptr_t{1} << 21;
  const auto first = reinterpret_cast<std::uintptr_t>(memory.data());
  const std::uintptr_t begin = (first + kPage - 1) & ~(kPage - 1);
  const std::uintptr_t end = (first + memory.size()) & ~(kPage - 1);
  if (begin >= end) return;
  void* pages = reinterpret_cast<void*>(begin);
  // Where the kernel cannot, pages stay as they are.
  madvise(pages, end - begin, MADV_HUGEPAGE);
#if defined(MADV_COLLAPSE)
  madvise(pages, end - begin, MADV_COLLAPSE);  // now rather than some time
#endif
#else
  static_cast<void>(memory);
#endif
}

}  // namespace ndcao
