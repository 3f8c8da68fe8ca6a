// What a run's journal holds: the ordered list of everything that was measured or decided.
//
// A run's parameters are a pure function of its records in order (docs/architecture.md). The byte
// format is docs/formats/journal.md; the codec is codec.h.
#pragma once

#include <cmath>
#include <cstdint>
#include <numeric>
#include <string>
#include <variant>
#include <vector>

#include "ndcao/base/ids.h"

namespace ndcao {

/// Record 0: what the run is. Immutable.
struct SpecRecord {
  std::string spec;              ///< The resolved spec, TOML.
  std::uint64_t parameters = 0;  ///< d.
  std::string initial_digest;    ///< Digest of the initial θ (32 hex digits).

  friend bool operator==(const SpecRecord&, const SpecRecord&) = default;
};

/// A worker joins; its WorkerId is the number of joins before it.
struct JoinRecord {
  std::string name;  ///< Whose threads and processes belong together: host and process, or a user.

  friend bool operator==(const JoinRecord&, const JoinRecord&) = default;
};

/// One group of evaluations, all at one version of θ, on the same examples.
struct GroupRecord {
  TrialId trial;
  Offset base = 0;               ///< Offset up to which θ had been folded (exclusive).
  std::uint64_t base_chain = 0;  ///< The hash chain at that offset, as the writer saw it.
  WorkerId worker = 0;
  std::uint32_t examples = 0;  ///< Image-forwards that the group cost.
  float centre = 0;            ///< Loss at the centre; NaN if it was not measured.
  std::vector<float> losses;   ///< Losses of evaluations 0 … M−1; not finite: as measured.

  friend bool operator==(const GroupRecord&, const GroupRecord&) = default;
};

/// What a group says of the loss: its centre or, where none was measured, the mean of its losses,
/// which lies above by what the perturbations cost. NaN if it says nothing.
inline double GroupLoss(const GroupRecord& group) {
  if (!std::isnan(group.centre) || group.losses.empty()) return group.centre;
  const double sum = std::accumulate(group.losses.begin(), group.losses.end(), 0.0);
  return sum / static_cast<double>(group.losses.size());
}

/// The digest of the parameters after `groups` accepted groups, as one replica computed it.
struct DigestRecord {
  WorkerId worker = 0;
  std::uint64_t groups = 0;
  std::string digest;

  friend bool operator==(const DigestRecord&, const DigestRecord&) = default;
};

/// The budget of the run from here on, in image-forwards.
struct BudgetRecord {
  std::uint64_t image_forwards = 0;

  friend bool operator==(const BudgetRecord&, const BudgetRecord&) = default;
};

/// A guard's decision, attested: replicas reach it by themselves from the losses.
struct DecisionRecord {
  WorkerId worker = 0;
  Offset at = 0;  ///< Offset of the record after which it was taken.
  std::string text;

  friend bool operator==(const DecisionRecord&, const DecisionRecord&) = default;
};

/// Something measured about the run that the fold does not use.
struct MarkRecord {
  WorkerId worker = 0;
  Offset at = 0;                     ///< θ was folded up to this offset (exclusive).
  std::uint64_t image_forwards = 0;  ///< Budget used by then.
  double seconds = 0;                ///< Wall time since the process began to train.
  float train_loss = 0;
  float test_loss = 0;
  float test_accuracy = 0;  ///< In [0, 1]; NaN where it has no meaning.
  std::string note;

  friend bool operator==(const MarkRecord&, const MarkRecord&) = default;
};

/// A group that another worker has journaled, evaluated again.
struct AuditRecord {
  WorkerId worker = 0;
  Offset at = 0;              ///< Offset of the group's record.
  float centre = 0;           ///< As in the group's record, measured anew.
  std::vector<float> losses;  ///< Likewise.

  friend bool operator==(const AuditRecord&, const AuditRecord&) = default;
};

/// A stage of a partitioned run that probes activations says which states it has kept: it can go
/// back to any of them, and to the beginning.
struct KeptRecord {
  WorkerId worker = 0;
  std::uint32_t stage = 0;   ///< From 1.
  std::uint64_t steps = 0;   ///< After so many steps; 0: the beginning.
  std::uint64_t before = 0;  ///< The one before that.
  std::string digest;        ///< Of the stage's parameters after `steps`.

  friend bool operator==(const KeptRecord&, const KeptRecord&) = default;
};

using Record = std::variant<SpecRecord, JoinRecord, GroupRecord, DigestRecord, BudgetRecord,
                            DecisionRecord, MarkRecord, AuditRecord, KeptRecord>;

/// A record with its place in the journal.
struct Entry {
  Offset offset = 0;
  Record record;
  std::uint64_t hash = 0;  ///< Hash64 of the record's encoded bytes: a link of the hash chain.
};

}  // namespace ndcao
