#include "ndcao/journal/memory/memory_journal.h"

#include <algorithm>

#include "ndcao/base/hash.h"
#include "ndcao/journal/codec.h"

namespace ndcao {

Result<Offset> MemoryJournal::Append(const Record& record) {
  const std::vector<std::byte> payload = EncodeRecord(record);
  const std::lock_guard lock(mutex_);
  const Offset offset = entries_.size();
  entries_.push_back({offset, record, Hash64(payload)});
  bytes_ += payload.size();
  grown_.notify_all();
  return offset;
}

Result<std::vector<Entry>> MemoryJournal::Read(Offset from, std::size_t max,
                                               std::chrono::milliseconds wait) {
  std::unique_lock lock(mutex_);
  if (wait.count() > 0) grown_.wait_for(lock, wait, [&] { return entries_.size() > from; });
  if (from >= entries_.size()) return std::vector<Entry>();
  const auto begin = entries_.begin() + static_cast<std::ptrdiff_t>(from);
  const std::size_t count = std::min<std::size_t>(max, entries_.size() - from);
  return std::vector<Entry>(begin, begin + static_cast<std::ptrdiff_t>(count));
}

std::uint64_t MemoryJournal::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace ndcao
