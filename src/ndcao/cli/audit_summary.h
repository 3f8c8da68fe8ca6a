// What came of a run's audits, for people and as JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "ndcao/replica/audit_ledger.h"

namespace ndcao {

/// {"chosen":…,"done":…,"disputed":…,"undecided":…,"excluded":[names]}
nlohmann::ordered_json AuditJson(const AuditLedger& audits);
/// "12 of 13 done, 1 disputed; excluded: mallory".
std::string DescribeAudits(const AuditLedger& audits);

}  // namespace ndcao
