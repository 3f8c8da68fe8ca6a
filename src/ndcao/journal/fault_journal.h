// A journal that fails on purpose, by a plan: for tests of everything that stands on a journal.
//
//   FaultJournal journal(inner, {{.append = 7, .kind = FaultKind::kFailAfter}});
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <vector>

#include "ndcao/journal/journal.h"

namespace ndcao {

enum class FaultKind {
  kFailBefore,   ///< The append fails; the record is not in the journal.
  kFailAfter,    ///< The append fails; the record is in the journal all the same.
  kCrashBefore,  ///< As kFailBefore, and every later call fails: the process died there.
  kCrashAfter,   ///< As kFailAfter, and every later call fails.
  kDuplicate,    ///< The record is appended twice; the first offset is returned.
  kDelay,        ///< The append takes `delay` longer, before it takes effect.
};

struct Fault {
  std::uint64_t append = 0;  ///< Number of the append through this wrapper, from 0.
  FaultKind kind = FaultKind::kFailBefore;
  std::chrono::milliseconds delay{0};
};

class FaultJournal : public Journal {
 public:
  /// `inner` must outlive it. Several faults may have the same append: they take effect in the
  /// plan's order, up to the first that fails it.
  FaultJournal(Journal& inner, const std::vector<Fault>& plan);

  Result<Offset> Append(const Record& record) override;
  Result<std::vector<Entry>> Read(Offset from, std::size_t max,
                                  std::chrono::milliseconds wait) override;
  std::uint64_t bytes() const override { return inner_.bytes(); }

  /// Appends asked for so far, failed ones included.
  std::uint64_t appends() const;

 private:
  Error AppendFailing(const Record& record, const Fault& fault);
  Status CheckAlive() const;

  Journal& inner_;
  std::multimap<std::uint64_t, Fault> plan_;
  mutable std::mutex mutex_;  // Guards what follows.
  std::uint64_t appends_ = 0;
  bool crashed_ = false;
};

}  // namespace ndcao
