#include "ndcao/cli/audit_summary.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace ndcao {

nlohmann::ordered_json AuditJson(const AuditLedger& audits) {
  const AuditCounters& counters = audits.counters();
  return {{"chosen", counters.chosen},
          {"done", counters.done},
          {"disputed", counters.disputed},
          {"undecided", counters.undecided},
          {"excluded", audits.excluded()}};
}

std::string DescribeAudits(const AuditLedger& audits) {
  const AuditCounters& counters = audits.counters();
  std::string text =
      fmt::format("{} of {} done, {} disputed", counters.done, counters.chosen, counters.disputed);
  if (counters.undecided > 0) text += fmt::format(", {} undecided", counters.undecided);
  if (audits.excluded().empty()) return text;
  return fmt::format("{}; excluded: {}", text, fmt::join(audits.excluded(), ", "));
}

}  // namespace ndcao
