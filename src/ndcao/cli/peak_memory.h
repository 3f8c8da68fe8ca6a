// The peak of this process's resident memory above where it began, as Linux counts it.
#pragma once

#include <malloc.h>
#include <sys/mman.h>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>

namespace ndcao {

class PeakMemory {
 public:
  /// Gives freed memory back and starts the peak anew.
  PeakMemory() {
    ReadCode();
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
  /// Brings in the code of the program and its libraries: the kernel may drop it and shares it
  /// among processes, so what is measured is data.
  static void ReadCode() {
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
      std::uintptr_t begin = 0;
      std::uintptr_t end = 0;
      char rights[5] = {};
      if (std::sscanf(line.c_str(), "%lx-%lx %4s", &begin, &end, rights) != 3) continue;
      if (rights[2] != 'x' || line.find('/') == std::string::npos) continue;
      ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_POPULATE_READ);
    }
  }

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
