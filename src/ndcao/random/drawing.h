// One loop that draws numbers from Philox bits, compiled for different processors. Internal to
// random/.
#pragma once

#include <cstdint>
#include <vector>

namespace ndcao::random_internal {

/// Writes the numbers of `position` and of those after it, as many as the loop draws at a time.
template <typename Key, typename Number>
struct DrawKernel {
  const char* name;
  void (*draw)(const Key& key, std::uint32_t position, Number* out);
};

/// kBody (always inlined, of IEEE operations and integers) for any processor, for AVX2 and for
/// AVX-512: the same bits.
template <auto kBody, typename Key, typename Number>
class Drawing {
 public:
  /// What this processor can run, the slowest first.
  static std::vector<DrawKernel<Key, Number>> Supported() {
    std::vector<DrawKernel<Key, Number>> found = {{"portable", Portable}};
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) found.push_back({"avx2", Avx2});
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw")) {
      found.push_back({"avx512", Avx512});
    }
#endif
    return found;
  }

 private:
  static void Portable(const Key& key, std::uint32_t position, Number* out) {
    kBody(key, position, out);
  }
#if defined(__x86_64__)
  [[gnu::target("avx2")]] static void Avx2(const Key& key, std::uint32_t position, Number* out) {
    kBody(key, position, out);
  }
  [[gnu::target("avx512f,avx512dq,avx512bw,prefer-vector-width=512")]] static void Avx512(
      const Key& key, std::uint32_t position, Number* out) {
    kBody(key, position, out);
  }
#endif
};

}  // namespace ndcao::random_internal
