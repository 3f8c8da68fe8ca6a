// A journal in memory (`mem:`): for tests, benchmarks and runs that nobody wants to keep.
#pragma once

#include <condition_variable>
#include <mutex>
#include <vector>

#include "ndcao/journal/journal.h"

namespace ndcao {

class MemoryJournal : public Journal {
 public:
  Result<Offset> Append(const Record& record) override;
  Result<std::vector<Entry>> Read(Offset from, std::size_t max,
                                  std::chrono::milliseconds wait) override;
  std::uint64_t bytes() const override;

 private:
  mutable std::mutex mutex_;
  std::condition_variable grown_;
  std::vector<Entry> entries_;
  std::uint64_t bytes_ = 0;
};

}  // namespace ndcao
