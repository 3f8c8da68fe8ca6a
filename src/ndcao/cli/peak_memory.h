// The peak of this process's resident memory above where it began, as Linux counts it.
#pragma once

#include <malloc.h>

#include <cstdint>
#include <fstream>
#include <string>

namespace ndcao {

class PeakMemory {
 public:
  /// Gives freed memory back and starts the peak anew.
  PeakMemory() {
    malloc_trim(0);
    std::ofstream("/proc/self/clear_refs") << 5;  // proc(5): resets VmHWM
    start_ = Read("VmRSS:");
    restarted_ = Read("VmHWM:") <= start_ + kSlack;
  }
  /// False where the kernel does not restart the peak: nothing can be measured then.
  bool restarted() const { return restarted_; }
  /// Bytes since the beginning.
  std::uint64_t above_start() const {
    const std::uint64_t peak = Read("VmHWM:");
    return peak > start_ ? peak - start_ : 0;
  }

 private:
  static constexpr std::uint64_t kSlack = 1 << 20;  // the reading itself takes some

  static std::uint64_t Read(const std::string& name) {
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;) {
      std::uint64_t kibibytes = 0;
      if (word == name && status >> kibibytes) return kibibytes * 1024;
    }
    return 0;
  }

  std::uint64_t start_ = 0;
  bool restarted_ = false;
};

}  // namespace ndcao
