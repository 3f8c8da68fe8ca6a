// A replica's state to bytes and back. The format is private to one version of the program: a
// snapshot is a cache of the fold, and one that cannot be read is recomputed from the journal.
#include <fmt/format.h>

#include <algorithm>

#include "ndcao/base/hash.h"
#include "ndcao/journal/codec.h"
#include "ndcao/replica/replica.h"

namespace ndcao {
namespace {

void PutRecord(ByteWriter& out, const Record& record) { out.PutVector(EncodeRecord(record)); }

template <typename T>
bool GetRecord(ByteReader& in, T& value) {
  const std::vector<std::byte> bytes = in.GetVector<std::byte>();
  Result<Record> record = DecodeRecord(bytes);
  if (!record.ok() || !std::holds_alternative<T>(record.value())) {
    in.Fail();
    return false;
  }
  value = std::get<T>(std::move(record).value());
  return true;
}

void PutFloats(ByteWriter& out, const ParameterVector& values) {
  out.Put(static_cast<std::uint64_t>(values.size()));
  out.PutAll(std::span<const float>(values));
}

ParameterVector GetFloats(ByteReader& in) {
  const auto count = in.Get<std::uint64_t>();
  if (count > in.remaining() / sizeof(float)) {
    in.Fail();
    return {};
  }
  ParameterVector values(count);
  in.GetAll(std::span<float>(values));
  return values;
}

}  // namespace

std::vector<std::byte> Replica::Snapshot() const {
  ByteWriter out;
  PutFloats(out, *theta_);
  PutFloats(out, pending_);
  for (const std::uint64_t x :
       {next_offset_, chain_, version_, std::uint64_t{joins_}, last_staleness_}) {
    out.Put(x);
  }
  out.PutVector(budgets_);
  out.PutAll(std::as_bytes(std::span(&counters_, 1)));
  out.PutVector(std::vector<Position>(positions_.begin(), positions_.end()));
  out.PutVector(std::vector<TrialId>(recent_order_.begin(), recent_order_.end()));
  for (const auto& slot : slots_) {
    out.Put(static_cast<std::uint8_t>(slot.has_value()));
    if (!slot) continue;
    PutRecord(out, slot->first);
    out.PutAll(std::as_bytes(std::span(&slot->second, 1)));
  }
  out.Put(static_cast<std::uint64_t>(digests_.size()));
  for (const DigestRecord& digest : digests_) PutRecord(out, digest);
  if (clocks_) clocks_->Save(out);
  if (audits_) audits_->Save(out);
  for (const Cohort& cohort : cohorts_) cohort.optimizer->Save(out);
  return out.Take();
}

// One for each offset, up to the next one.
bool Replica::PositionsFit() const {
  if (positions_.empty() || positions_.size() > kPositions) return false;
  Offset expected = next_offset_ + 1 - positions_.size();
  return std::all_of(positions_.begin(), positions_.end(),
                     [&](const Position& position) { return position.offset == expected++; });
}

Result<Replica> Replica::Restore(const RunSpec& spec, const Layout& layout,
                                 std::span<const std::byte> snapshot,
                                 const std::optional<Slice>& part) {
  ByteReader in(snapshot);
  ParameterVector theta = GetFloats(in);
  if (!in.ok()) return Corrupt("snapshot: too short");
  NDCAO_ASSIGN(Replica replica, Create(spec, layout, std::move(theta), part));
  replica.pending_ = GetFloats(in);
  replica.next_offset_ = in.Get<std::uint64_t>();
  replica.chain_ = in.Get<std::uint64_t>();
  replica.version_ = in.Get<std::uint64_t>();
  replica.joins_ = static_cast<WorkerId>(in.Get<std::uint64_t>());
  replica.last_staleness_ = in.Get<std::uint64_t>();
  replica.budgets_ = in.GetVector<BudgetChange>();
  if (replica.budgets_.empty() || replica.budgets_.front().from > 0) in.Fail();
  in.GetAll(std::as_writable_bytes(std::span(&replica.counters_, 1)));
  const auto positions = in.GetVector<Position>();
  replica.positions_.assign(positions.begin(), positions.end());
  for (const TrialId trial : in.GetVector<TrialId>()) {
    replica.recent_order_.push_back(trial);
    replica.recent_trials_.insert(trial);
  }
  for (auto& slot : replica.slots_) {
    if (in.Get<std::uint8_t>() == 0) continue;
    slot.emplace();
    if (!GetRecord(in, slot->first)) break;
    if (slot->first.losses.size() != spec.shape.evaluations) in.Fail();
    in.GetAll(std::as_writable_bytes(std::span(&slot->second, 1)));
  }
  const auto digests = in.Get<std::uint64_t>();
  for (std::uint64_t i = 0; i < digests && in.ok(); ++i) {
    GetRecord(in, replica.digests_.emplace_back());
  }
  if (replica.clocks_) replica.clocks_->Load(in);
  if (replica.audits_) replica.audits_->Load(in);
  for (Cohort& cohort : replica.cohorts_) cohort.optimizer->Load(in);
  if (!in.ok() || in.remaining() > 0 || !replica.PositionsFit() ||
      replica.pending_.size() !=
          (replica.clocks_ && !replica.clocks_->trivial() ? replica.theta_->size() : 0)) {
    return Corrupt("snapshot: its length does not fit the run's spec");
  }
  return replica;
}

}  // namespace ndcao
