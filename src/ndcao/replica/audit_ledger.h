// Who is believed: a loss is a claim, and others measure a share of the groups again.
//
// A pure function of the records, like the rest of the fold. Every accepted group is chosen with
// the run's probability by a hash that is keyed with the seed and the chain before its record, so
// its author does not know when it measures. Another worker evaluates it again and journals an
// audit record. If the two do not agree (agreement.h), a third does so too, and who is alone is
// excluded: none of its records counts from there on. What was folded before stays.
//
// People are told apart by the name that they join with: all threads and processes of one name are
// one member, which is never its own auditor and is excluded as a whole.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "ndcao/base/bytes.h"
#include "ndcao/base/ids.h"
#include "ndcao/journal/record.h"

namespace ndcao {

/// Counts over the run so far.
struct AuditCounters {
  std::uint64_t chosen = 0;     ///< Groups that somebody was asked to evaluate again.
  std::uint64_t done = 0;       ///< Of these, evaluated by a second worker.
  std::uint64_t disputed = 0;   ///< Of these, with other losses.
  std::uint64_t undecided = 0;  ///< Of these, ended without anybody being alone.
};

class AuditLedger {
 public:
  /// Audits under way at a time, at most; while there are so many, none is begun. A worker holds
  /// one version of θ for each at most.
  static constexpr std::size_t kOpen = 16;

  AuditLedger(std::uint64_t seed, double share) : seed_(seed), share_(share) {}

  /// `groups` here and below: accepted groups so far.
  void Join(const std::string& name, std::uint64_t groups);
  bool Excluded(WorkerId worker) const;
  /// Whether the next record, if it is a group that is accepted, is to be audited.
  bool Chooses(std::uint64_t chain) const;
  /// A group of a worker that has joined was accepted; its record is at `at`, `chain` before it.
  void Accept(const GroupRecord& group, Offset at, std::uint64_t chain, std::uint64_t groups);
  /// Takes what a worker measured. False if nobody waits for it from this worker.
  bool Take(const AuditRecord& audit, std::uint64_t groups);

  /// Offsets of the groups under audit, in increasing order.
  std::vector<Offset> open() const;
  /// Whether a record of this worker about the group at `at` is waited for.
  bool Awaits(Offset at, WorkerId worker, std::uint64_t groups) const;
  /// Members whose records count for nothing, by name, in the order of their exclusion.
  std::vector<std::string> excluded() const;
  const AuditCounters& counters() const { return counters_; }
  /// What was decided since the last call, in words.
  std::vector<std::string> TakeDecisions();

  void Save(ByteWriter& out) const;
  void Load(ByteReader& in);

 private:
  using MemberId = std::uint32_t;
  struct Audit {
    Offset at = 0;
    std::uint64_t since = 0;          // groups when the one who is next was asked
    std::uint64_t turn = 0;           // groups after which the one behind him may do it, too
    std::vector<MemberId> order;      // who is asked
    std::vector<AuditRecord> claims;  // the author's first
  };

  bool Claims(const Audit& audit, MemberId member) const;
  std::vector<MemberId> Asked(const Audit& audit) const;
  std::vector<MemberId> Order(MemberId author, std::uint64_t chain, std::uint64_t groups,
                              std::size_t& active) const;
  void Expire(std::uint64_t groups);
  void Decide(const Audit& audit);
  void GiveUp(const Audit& audit);
  void Exclude(MemberId member);
  const std::string& NameOf(const AuditRecord& claim) const;
  bool EverybodyIsKnown() const;

  std::uint64_t seed_;
  double share_;
  std::vector<std::string> names_;   // of members
  std::vector<MemberId> members_;    // by worker
  std::vector<std::uint64_t> seen_;  // by worker: groups when it was last heard of
  std::vector<MemberId> excluded_;
  std::deque<Audit> open_;
  AuditCounters counters_;
  std::vector<std::string> decisions_;
};

}  // namespace ndcao
