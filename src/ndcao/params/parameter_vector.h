// The flat parameter vector θ: d float32 values, aligned for vector instructions.
#pragma once

#include <cstddef>
#include <new>
#include <span>
#include <vector>

namespace ndcao {

/// Allocates on 64-byte boundaries (a cache line, an AVX-512 register).
template <typename T>
struct AlignedAllocator {
  using value_type = T;
  static constexpr std::align_val_t kAlignment{64};

  AlignedAllocator() = default;
  template <typename U>
  AlignedAllocator(const AlignedAllocator<U>&) {}  // NOLINT: implicit, as allocators are

  T* allocate(std::size_t count) {
    return static_cast<T*>(::operator new(count * sizeof(T), kAlignment));
  }
  void deallocate(T* pointer, std::size_t) { ::operator delete(pointer, kAlignment); }

  template <typename U>
  bool operator==(const AlignedAllocator<U>&) const {
    return true;
  }
};

using ParameterVector = std::vector<float, AlignedAllocator<float>>;

}  // namespace ndcao
