#include "ndcao/journal/codec.h"

#include <fmt/format.h>

#include <limits>

#include "ndcao/base/bytes.h"

namespace ndcao {
namespace {

// One byte at the front of a payload. Numbers are for ever; see docs/formats/journal.md.
enum class Type : std::uint8_t {
  kSpec = 1,
  kJoin = 2,
  kGroup = 3,
  kDigest = 4,
  kBudget = 5,
  kDecision = 6,
  kMark = 7,
  kAudit = 8,
  kKept = 9,
};

struct Encoder {
  ByteWriter& out;

  void operator()(const SpecRecord& r) const {
    out.Put(static_cast<std::uint8_t>(Type::kSpec));
    out.PutString(r.spec);
    out.Put(r.parameters);
    out.PutString(r.initial_digest);
  }
  void operator()(const JoinRecord& r) const {
    out.Put(static_cast<std::uint8_t>(Type::kJoin));
    out.PutString(r.name);
  }
  void operator()(const GroupRecord& r) const {
    out.Put(static_cast<std::uint8_t>(Type::kGroup));
    out.Put(r.trial.value);
    out.Put(r.base);
    out.Put(r.base_chain);
    out.Put(r.worker);
    out.Put(r.examples);
    PutLosses(r.centre, r.losses);
  }
  void operator()(const DigestRecord& r) const {
    out.Put(static_cast<std::uint8_t>(Type::kDigest));
    out.Put(r.worker);
    out.Put(r.groups);
    out.PutString(r.digest);
  }
  void operator()(const BudgetRecord& r) const {
    out.Put(static_cast<std::uint8_t>(Type::kBudget));
    out.Put(r.image_forwards);
  }
  void operator()(const DecisionRecord& r) const {
    out.Put(static_cast<std::uint8_t>(Type::kDecision));
    out.Put(r.worker);
    out.Put(r.at);
    out.PutString(r.text);
  }
  void operator()(const MarkRecord& r) const {
    out.Put(static_cast<std::uint8_t>(Type::kMark));
    out.Put(r.worker);
    out.Put(r.at);
    out.Put(r.image_forwards);
    out.Put(r.seconds);
    out.Put(r.train_loss);
    out.Put(r.test_loss);
    out.Put(r.test_accuracy);
    out.PutString(r.note);
  }
  void operator()(const AuditRecord& r) const {
    out.Put(static_cast<std::uint8_t>(Type::kAudit));
    out.Put(r.worker);
    out.Put(r.at);
    PutLosses(r.centre, r.losses);
  }
  void operator()(const KeptRecord& r) const {
    out.Put(static_cast<std::uint8_t>(Type::kKept));
    out.Put(r.worker);
    out.Put(r.stage);
    out.Put(r.steps);
    out.Put(r.before);
    out.PutString(r.digest);
  }
  void PutLosses(float centre, const std::vector<float>& losses) const {
    NDCAO_CHECK(losses.size() <= std::numeric_limits<std::uint16_t>::max());
    out.Put(centre);
    out.Put(static_cast<std::uint16_t>(losses.size()));
    out.PutAll(std::span<const float>(losses));
  }
};

void GetLosses(ByteReader& in, float& centre, std::vector<float>& losses) {
  centre = in.Get<float>();
  const auto count = in.Get<std::uint16_t>();
  if (count * sizeof(float) > in.remaining()) return in.Fail();
  losses.resize(count);
  in.GetAll(std::span<float>(losses));
}

GroupRecord DecodeGroup(ByteReader& in) {
  GroupRecord r;
  r.trial.value = in.Get<std::uint64_t>();
  r.base = in.Get<Offset>();
  r.base_chain = in.Get<std::uint64_t>();
  r.worker = in.Get<WorkerId>();
  r.examples = in.Get<std::uint32_t>();
  GetLosses(in, r.centre, r.losses);
  return r;
}

AuditRecord DecodeAudit(ByteReader& in) {
  AuditRecord r;
  r.worker = in.Get<WorkerId>();
  r.at = in.Get<Offset>();
  GetLosses(in, r.centre, r.losses);
  return r;
}

MarkRecord DecodeMark(ByteReader& in) {
  MarkRecord r;
  r.worker = in.Get<WorkerId>();
  r.at = in.Get<Offset>();
  r.image_forwards = in.Get<std::uint64_t>();
  r.seconds = in.Get<double>();
  r.train_loss = in.Get<float>();
  r.test_loss = in.Get<float>();
  r.test_accuracy = in.Get<float>();
  r.note = in.GetString();
  return r;
}

Result<Record> DecodeFields(Type type, ByteReader& in) {
  // Braced initialisers evaluate their elements from left to right.
  switch (type) {
    case Type::kSpec:
      return Record(SpecRecord{in.GetString(), in.Get<std::uint64_t>(), in.GetString()});
    case Type::kJoin:
      return Record(JoinRecord{in.GetString()});
    case Type::kGroup:
      return Record(DecodeGroup(in));
    case Type::kDigest:
      return Record(DigestRecord{in.Get<WorkerId>(), in.Get<std::uint64_t>(), in.GetString()});
    case Type::kBudget:
      return Record(BudgetRecord{in.Get<std::uint64_t>()});
    case Type::kDecision:
      return Record(DecisionRecord{in.Get<WorkerId>(), in.Get<Offset>(), in.GetString()});
    case Type::kMark:
      return Record(DecodeMark(in));
    case Type::kAudit:
      return Record(DecodeAudit(in));
    case Type::kKept:
      return Record(KeptRecord{in.Get<WorkerId>(), in.Get<std::uint32_t>(), in.Get<std::uint64_t>(),
                               in.Get<std::uint64_t>(), in.GetString()});
  }
  return Corrupt(fmt::format("unknown record type {}", static_cast<int>(type)));
}

}  // namespace

std::vector<std::byte> EncodeRecord(const Record& record) {
  ByteWriter out;
  std::visit(Encoder{out}, record);
  return out.Take();
}

Result<Record> DecodeRecord(std::span<const std::byte> payload) {
  ByteReader in(payload);
  const auto type = static_cast<Type>(in.Get<std::uint8_t>());
  NDCAO_ASSIGN(Record record, DecodeFields(type, in));
  if (!in.ok()) return Corrupt("record is shorter than its fields");
  if (in.remaining() > 0) return Corrupt("record is longer than its fields");
  return record;
}

}  // namespace ndcao
