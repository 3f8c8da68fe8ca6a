#include "ndcao/journal/fault_journal.h"

#include <fmt/format.h>

#include <thread>

namespace ndcao {

FaultJournal::FaultJournal(Journal& inner, const std::vector<Fault>& plan) : inner_(inner) {
  for (const Fault& fault : plan) plan_.emplace(fault.append, fault);
}

Result<Offset> FaultJournal::Append(const Record& record) {
  NDCAO_TRY(CheckAlive());
  std::uint64_t number = 0;
  {
    const std::lock_guard lock(mutex_);
    number = appends_++;
  }
  bool twice = false;
  const auto [begin, end] = plan_.equal_range(number);
  for (auto it = begin; it != end; ++it) {
    const Fault& fault = it->second;
    if (fault.kind == FaultKind::kDelay) {
      std::this_thread::sleep_for(fault.delay);
    } else if (fault.kind == FaultKind::kDuplicate) {
      twice = true;
    } else {
      return AppendFailing(record, fault);
    }
  }
  NDCAO_ASSIGN(const Offset offset, inner_.Append(record));
  if (twice) NDCAO_TRY(inner_.Append(record));
  return offset;
}

Result<std::vector<Entry>> FaultJournal::Read(Offset from, std::size_t max,
                                              std::chrono::milliseconds wait) {
  NDCAO_TRY(CheckAlive());
  return inner_.Read(from, max, wait);
}

std::uint64_t FaultJournal::appends() const {
  const std::lock_guard lock(mutex_);
  return appends_;
}

// One of the four faults that fail the append.
Error FaultJournal::AppendFailing(const Record& record, const Fault& fault) {
  const bool after = fault.kind == FaultKind::kFailAfter || fault.kind == FaultKind::kCrashAfter;
  if (after) {
    const Result<Offset> appended = inner_.Append(record);
    if (!appended.ok()) return appended.error();
  }
  if (fault.kind == FaultKind::kCrashBefore || fault.kind == FaultKind::kCrashAfter) {
    const std::lock_guard lock(mutex_);
    crashed_ = true;
  }
  return Failed(fmt::format("append {} failed as planned, {} it took effect", fault.append,
                            after ? "after" : "before"));
}

Status FaultJournal::CheckAlive() const {
  const std::lock_guard lock(mutex_);
  if (crashed_) return Failed("the journal crashed as planned");
  return Ok();
}

}  // namespace ndcao
