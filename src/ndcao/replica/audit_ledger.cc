#include "ndcao/replica/audit_ledger.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "ndcao/journal/codec.h"
#include "ndcao/random/sequence.h"
#include "ndcao/replica/agreement.h"

namespace ndcao {
namespace {

// A worker of which nothing was heard for so many groups is not asked.
constexpr std::uint64_t kActive = 512;
// How many are asked, one after another; each gets the time in which every active worker has
// evaluated some groups.
constexpr std::size_t kAsked = 4;
constexpr std::uint64_t kTurn = 4;
constexpr std::size_t kLeastActive = 4;

bool Agree(const AuditRecord& a, const AuditRecord& b) {
  return ndcao::Agree(MeasuredGroup{a.centre, a.losses}, MeasuredGroup{b.centre, b.losses});
}

}  // namespace

void AuditLedger::Join(const std::string& name, std::uint64_t groups) {
  const auto known = std::find(names_.begin(), names_.end(), name);
  members_.push_back(static_cast<MemberId>(known - names_.begin()));
  if (known == names_.end()) names_.push_back(name);
  seen_.push_back(groups);
}

bool AuditLedger::Excluded(WorkerId worker) const {
  return worker < members_.size() &&
         std::find(excluded_.begin(), excluded_.end(), members_[worker]) != excluded_.end();
}

bool AuditLedger::Chooses(std::uint64_t chain) const {
  return RandomSequence(seed_, Purpose::kAudit, chain).Uniform() < share_;
}

void AuditLedger::Accept(const GroupRecord& group, Offset at, std::uint64_t chain,
                         std::uint64_t groups) {
  seen_[group.worker] = groups;
  Expire(groups);
  if (!Chooses(chain) || open_.size() >= kOpen) return;
  std::size_t active = 0;
  std::vector<MemberId> order = Order(members_[group.worker], chain, groups, active);
  if (order.empty()) return;
  ++counters_.chosen;
  open_.push_back({at,
                   groups,
                   kTurn * std::max(active, kLeastActive),
                   std::move(order),
                   {{group.worker, at, group.centre, group.losses}}});
}

// The members that are at work, but for the author: in an order that nobody knows beforehand.
std::vector<AuditLedger::MemberId> AuditLedger::Order(MemberId author, std::uint64_t chain,
                                                      std::uint64_t groups,
                                                      std::size_t& active) const {
  std::set<std::pair<std::uint32_t, MemberId>> order;
  for (WorkerId worker = 0; worker < members_.size(); ++worker) {
    if (seen_[worker] + kActive < groups || Excluded(worker)) continue;
    ++active;
    const MemberId member = members_[worker];
    if (member == author) continue;
    order.emplace(RandomSequence(seed_, Purpose::kAudit, chain, member + 1).Next32(), member);
  }
  std::vector<MemberId> asked;
  for (const auto& [key, member] : order) {
    if (asked.size() < kAsked) asked.push_back(member);
  }
  return asked;
}

bool AuditLedger::Claims(const Audit& audit, MemberId member) const {
  return std::any_of(audit.claims.begin(), audit.claims.end(),
                     [&](const AuditRecord& claim) { return members_[claim.worker] == member; });
}

// Who is still asked to measure, the next one first.
std::vector<AuditLedger::MemberId> AuditLedger::Asked(const Audit& audit) const {
  std::vector<MemberId> asked;
  for (const MemberId member : audit.order) {
    const bool out = std::find(excluded_.begin(), excluded_.end(), member) != excluded_.end();
    if (!out && !Claims(audit, member)) asked.push_back(member);
  }
  return asked;
}

bool AuditLedger::Awaits(Offset at, WorkerId worker, std::uint64_t groups) const {
  const auto audit =
      std::find_if(open_.begin(), open_.end(), [at](const Audit& a) { return a.at == at; });
  if (audit == open_.end() || worker >= members_.size()) return false;
  const std::vector<MemberId> asked = Asked(*audit);
  const auto place = std::find(asked.begin(), asked.end(), members_[worker]);
  if (place == asked.end()) return false;
  const auto before = static_cast<std::uint64_t>(place - asked.begin());
  return groups >= audit->since + before * audit->turn;
}

bool AuditLedger::Take(const AuditRecord& record, std::uint64_t groups) {
  if (!Awaits(record.at, record.worker, groups)) return false;
  const auto audit =
      std::find_if(open_.begin(), open_.end(), [&](const Audit& a) { return a.at == record.at; });
  if (record.losses.size() != audit->claims.front().losses.size()) return false;
  seen_[record.worker] = groups;
  audit->claims.push_back(record);
  audit->since = groups;
  if (audit->claims.size() == 2) {
    ++counters_.done;
    const bool disputed = !Agree(audit->claims[0], audit->claims[1]);
    counters_.disputed += disputed;
    if (disputed && !Asked(*audit).empty()) return true;  // a third decides
    if (disputed) GiveUp(*audit);
    open_.erase(audit);
    return true;
  }
  const Audit whole = std::move(*audit);
  open_.erase(audit);
  Decide(whole);
  return true;
}

// Three have measured, and the first two do not agree.
void AuditLedger::Decide(const Audit& audit) {
  const bool with_author = Agree(audit.claims[2], audit.claims[0]);
  const bool with_auditor = Agree(audit.claims[2], audit.claims[1]);
  if (with_author == with_auditor) return GiveUp(audit);
  const std::size_t alone = with_author ? 1 : 0;
  decisions_.push_back(fmt::format(
      "worker '{}' is alone with its losses of the group in record {}, against '{}' and '{}': none "
      "of its records counts from here on",
      NameOf(audit.claims[alone]), audit.at, NameOf(audit.claims[1 - alone]),
      NameOf(audit.claims[2])));
  Exclude(members_[audit.claims[alone].worker]);
}

void AuditLedger::GiveUp(const Audit& audit) {
  ++counters_.undecided;
  decisions_.push_back(
      fmt::format("workers '{}' and '{}' have measured other losses for the group in record {}, "
                  "and {}: both stay",
                  NameOf(audit.claims[0]), NameOf(audit.claims[1]), audit.at,
                  audit.claims.size() > 2 ? "the third does not decide" : "there is no third"));
}

void AuditLedger::Exclude(MemberId member) {
  excluded_.push_back(member);
  std::erase_if(open_, [&](const Audit& audit) { return Claims(audit, member); });
}

// Audits that everybody who was asked has had his turn for.
void AuditLedger::Expire(std::uint64_t groups) {
  std::erase_if(open_, [&](const Audit& audit) {
    const bool over = groups >= audit.since + (Asked(audit).size() + 1) * audit.turn;
    if (over && audit.claims.size() == 2) GiveUp(audit);
    return over;
  });
}

const std::string& AuditLedger::NameOf(const AuditRecord& claim) const {
  return names_[members_[claim.worker]];
}

std::vector<Offset> AuditLedger::open() const {
  std::vector<Offset> offsets;
  for (const Audit& audit : open_) offsets.push_back(audit.at);
  return offsets;
}

std::vector<std::string> AuditLedger::excluded() const {
  std::vector<std::string> names;
  for (const MemberId member : excluded_) names.push_back(names_[member]);
  return names;
}

std::vector<std::string> AuditLedger::TakeDecisions() { return std::exchange(decisions_, {}); }

void AuditLedger::Save(ByteWriter& out) const {
  out.Put(static_cast<std::uint64_t>(names_.size()));
  for (const std::string& name : names_) out.PutString(name);
  out.PutVector(members_);
  out.PutVector(seen_);
  out.PutVector(excluded_);
  out.PutAll(std::as_bytes(std::span(&counters_, 1)));
  out.Put(static_cast<std::uint64_t>(open_.size()));
  for (const Audit& audit : open_) {
    out.Put(audit.at);
    out.Put(audit.since);
    out.Put(audit.turn);
    out.PutVector(audit.order);
    out.Put(static_cast<std::uint64_t>(audit.claims.size()));
    for (const AuditRecord& claim : audit.claims) out.PutVector(EncodeRecord(claim));
  }
}

void AuditLedger::Load(ByteReader& in) {
  const auto names = in.Get<std::uint64_t>();
  for (std::uint64_t i = 0; i < names && in.ok(); ++i) names_.push_back(in.GetString());
  members_ = in.GetVector<MemberId>();
  seen_ = in.GetVector<std::uint64_t>();
  excluded_ = in.GetVector<MemberId>();
  in.GetAll(std::as_writable_bytes(std::span(&counters_, 1)));
  const auto audits = in.Get<std::uint64_t>();
  for (std::uint64_t i = 0; i < audits && in.ok(); ++i) {
    Audit& audit = open_.emplace_back();
    audit.at = in.Get<Offset>();
    audit.since = in.Get<std::uint64_t>();
    audit.turn = in.Get<std::uint64_t>();
    audit.order = in.GetVector<MemberId>();
    const auto claims = in.Get<std::uint64_t>();
    for (std::uint64_t j = 0; j < claims && in.ok(); ++j) {
      Result<Record> claim = DecodeRecord(in.GetVector<std::byte>());
      if (!claim.ok() || !std::holds_alternative<AuditRecord>(claim.value())) return in.Fail();
      audit.claims.push_back(std::get<AuditRecord>(std::move(claim).value()));
    }
  }
  if (!EverybodyIsKnown()) in.Fail();
}

bool AuditLedger::EverybodyIsKnown() const {
  const auto member = [this](MemberId id) { return id < names_.size(); };
  const auto author = [this](const AuditRecord& claim) { return claim.worker < members_.size(); };
  return seen_.size() == members_.size() && std::ranges::all_of(members_, member) &&
         std::ranges::all_of(excluded_, member) &&
         std::ranges::all_of(open_, [&](const Audit& audit) {
           return std::ranges::all_of(audit.order, member) &&
                  std::ranges::all_of(audit.claims, author);
         });
}

}  // namespace ndcao
