// The journal: an ordered, append-only list of records, and the only authority on their order.
//
// Any thread may call any method. Implementations: MemoryJournal (mem:), FileJournal (file:DIR).
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <vector>

#include "ndcao/base/result.h"
#include "ndcao/journal/record.h"

namespace ndcao {

class Journal {
 public:
  virtual ~Journal() = default;

  /// Appends one record; on return it is durable, as far as the implementation promises, and has
  /// the returned offset. Concurrent appends are ordered by the journal.
  virtual Result<Offset> Append(const Record& record) = 0;

  /// At most `max` entries from offset `from` on, in order, without gaps. If there is none yet,
  /// waits up to `wait` for one; an empty result means that none came.
  virtual Result<std::vector<Entry>> Read(Offset from, std::size_t max,
                                          std::chrono::milliseconds wait) = 0;

  /// Bytes that the records take so far.
  virtual std::uint64_t bytes() const = 0;
};

}  // namespace ndcao
