#include "ndcao/evaluate/torch/tensor_memory.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>
#include <c10/util/flat_hash_map.h>

#include <cstddef>
#include <vector>

namespace ndcao {
namespace {

// malloc is quick with small ones.
constexpr std::size_t kLeast = 4096;

/// Before every buffer, as wide as the alignment that LibTorch wants.
struct alignas(64) Header {
  std::size_t bytes;
};

/// Buffers that nobody uses, by size; the last let go of first.
class Kept {
 public:
  ~Kept() {
    for (auto& [bytes, buffers] : buffers_) {
      for (Header* buffer : buffers) c10::free_cpu(buffer);
    }
  }
  Header* Take(std::size_t bytes) {
    const auto found = buffers_.find(bytes);
    if (found == buffers_.end() || found->second.empty()) return nullptr;
    Header* buffer = found->second.back();
    found->second.pop_back();
    return buffer;
  }
  void Put(Header* buffer) { buffers_[buffer->bytes].push_back(buffer); }

 private:
  ska::flat_hash_map<std::size_t, std::vector<Header*>> buffers_;
};

thread_local bool t_keeping = false;
Kept& KeptByThread() {
  thread_local Kept kept;
  return kept;
}

void Free(void* values) {
  if (values == nullptr) return;
  Header* header = static_cast<Header*>(values) - 1;
  if (t_keeping && header->bytes >= kLeast) {
    KeptByThread().Put(header);
  } else {
    c10::free_cpu(header);
  }
}

class TensorMemory : public at::Allocator {
 public:
  at::DataPtr allocate(std::size_t bytes) const override {
    const at::Device cpu(at::DeviceType::CPU);
    if (bytes == 0) return {nullptr, nullptr, &Free, cpu};
    Header* header = t_keeping && bytes >= kLeast ? KeptByThread().Take(bytes) : nullptr;
    if (header == nullptr) {
      header = static_cast<Header*>(c10::alloc_cpu(sizeof(Header) + bytes));
      header->bytes = bytes;
    }
    return {header + 1, header + 1, &Free, cpu};
  }
  at::DeleterFnPtr raw_deleter() const override { return &Free; }
};

}  // namespace

void InstallTensorMemory() {
  static TensorMemory memory;
  c10::SetCPUAllocator(&memory, 1);
}

KeepTensorMemory::KeepTensorMemory() : before_(t_keeping) { t_keeping = true; }
KeepTensorMemory::~KeepTensorMemory() { t_keeping = before_; }

}  // namespace ndcao
