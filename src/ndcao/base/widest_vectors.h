// One body of code, compiled for the vector instructions that a processor may have.
#pragma once

namespace ndcao {
namespace widest_vectors_internal {

#if defined(__x86_64__)
template <auto kBody, typename... Arguments>
[[gnu::target("avx2")]] auto OnAvx2(Arguments... arguments) {
  return kBody(arguments...);
}

template <auto kBody, typename... Arguments>
[[gnu::target("avx512f,avx512dq,avx512bw,avx512vl,prefer-vector-width=512")]] auto OnAvx512(
    Arguments... arguments) {
  return kBody(arguments...);
}

enum class Vectors { kNone, kAvx2, kAvx512 };

inline Vectors Widest() {
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) {
    return Vectors::kAvx512;
  }
  return __builtin_cpu_supports("avx2") ? Vectors::kAvx2 : Vectors::kNone;
}

inline const Vectors kWidest = Widest();
#endif

}  // namespace widest_vectors_internal

/// `kBody(arguments...)`, by the widest vectors that this processor has. The body is
/// [[gnu::always_inline]], and all that it calls. The same IEEE operations in the same order on any
/// processor (the build contracts none of them), so the choice never shows in the results.
/// Arguments are copied.
template <auto kBody, typename... Arguments>
auto OnWidest(Arguments... arguments) {
#if defined(__x86_64__)
  using namespace widest_vectors_internal;
  if (kWidest == Vectors::kAvx512) return OnAvx512<kBody>(arguments...);
  if (kWidest == Vectors::kAvx2) return OnAvx2<kBody>(arguments...);
#endif
  return kBody(arguments...);
}

}  // namespace ndcao
