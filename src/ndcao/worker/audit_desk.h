// What a process needs to evaluate groups of others again: it holds θ as it was where they were
// measured, for as long as somebody may be asked to (replica/audit_ledger.h). Under the session's
// lock.
//
//   desk.Before(replica, entry);   // entry is folded in between
//   desk.After(replica, entry);
//   auto task = desk.Take(replica, worker);
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>

#include "ndcao/journal/record.h"
#include "ndcao/replica/replica.h"

namespace ndcao {

/// A group to be evaluated again.
struct AuditTask {
  Offset at = 0;  ///< Of its record.
  Trial trial;    ///< As its author had it.
};

class AuditDesk {
 public:
  /// Asynchronous runs: bytes of θ's versions that are kept, at most. A group whose base is older
  /// is left to others.
  static constexpr std::size_t kBytes = std::size_t{256} << 20;

  void Before(const Replica& replica, const Entry& entry);
  void After(const Replica& replica, const Entry& entry);

  /// A group that this worker is asked to evaluate, if its θ is at hand and it was not taken.
  std::optional<AuditTask> Take(const Replica& replica, WorkerId worker);

 private:
  struct Version {
    Offset from = 0;  // the first offset that θ was so at
    std::shared_ptr<const ParameterVector> theta;
  };
  struct Held {
    Trial trial;
    bool taken = false;
  };

  void KeepVersion(const Replica& replica);
  std::shared_ptr<const ParameterVector> At(const Replica& replica, Offset base) const;

  std::deque<Version> versions_;  // asynchronous runs: the newest last
  std::optional<Trial> next_;     // of the entry that is being folded, if it is chosen
  std::map<Offset, Held> held_;   // by the offset of the group's record
};

}  // namespace ndcao
