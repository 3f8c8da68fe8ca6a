#include "ndcao/journal/nats/record_filter.h"

#include "ndcao/base/hash.h"
#include "ndcao/journal/codec.h"

namespace ndcao {
namespace {

Result<std::vector<Record>> DecodeAll(const JournalMessage& message) {
  std::vector<Record> records;
  for (const std::vector<std::byte>& payload : message.payloads) {
    NDCAO_ASSIGN(Record record, DecodeRecord(payload));
    records.push_back(std::move(record));
  }
  return records;
}

}  // namespace

std::string_view NameOf(Drop drop) {
  constexpr std::array<std::string_view, kDropKinds> kNames = {
      "too large", "damaged", "of another run", "out of place", "impostor", "repeated"};
  return kNames[static_cast<std::size_t>(drop)];
}

bool RecordFilter::Window::Repeats(std::uint32_t number) const {
  if (number > highest) return false;
  const std::uint32_t back = highest - number;
  return back >= kWindow || (seen >> back & 1) != 0;
}

void RecordFilter::Window::Note(std::uint32_t number) {
  if (number > highest) {
    const std::uint32_t step = number - highest;
    seen = step >= kWindow ? 0 : seen << step;
    highest = number;
  }
  seen |= std::uint64_t{1} << (highest - number);
}

// A worker's losses, audits, digests and kept states count only from where it joined, and it joins
// under the name that it publishes by. The budget is the creator's. Other records are anybody's.
bool RecordFilter::Owns(std::string_view name, const Record& record,
                        std::size_t joins_before) const {
  const auto owned = [&](WorkerId worker) {
    if (worker < owners_.size()) return owners_[worker] == name;
    return worker < owners_.size() + joins_before;  // joined in this very message
  };
  if (const auto* group = std::get_if<GroupRecord>(&record)) return owned(group->worker);
  if (const auto* digest = std::get_if<DigestRecord>(&record)) return owned(digest->worker);
  if (const auto* audit = std::get_if<AuditRecord>(&record)) return owned(audit->worker);
  if (const auto* kept = std::get_if<KeptRecord>(&record)) return owned(kept->worker);
  if (const auto* join = std::get_if<JoinRecord>(&record)) return join->name == name;
  if (std::holds_alternative<BudgetRecord>(record)) return creator_.empty() || creator_ == name;
  return true;
}

std::optional<Drop> RecordFilter::Check(std::string_view name, const JournalMessage& message,
                                        const std::vector<Record>& records) const {
  const bool first = next_offset_ == 0;
  const auto is_spec = [](const Record& r) { return std::holds_alternative<SpecRecord>(r); };
  const std::uint64_t expected = first ? Hash64(message.payloads.front()) : spec_hash_;
  if (message.spec_hash != expected || (first && !is_spec(records.front()))) {
    return Drop::kOtherRun;
  }
  const auto window = windows_.find(message.writer);
  if (window != windows_.end() && window->second.Repeats(message.number)) return Drop::kRepeated;
  std::size_t joins = 0;
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (is_spec(records[i]) && !(first && i == 0)) return Drop::kOutOfPlace;
    if (!Owns(name, records[i], joins)) return Drop::kImpostor;
    if (std::holds_alternative<JoinRecord>(records[i])) ++joins;
  }
  return std::nullopt;
}

std::optional<Drop> RecordFilter::Take(std::string_view name, std::span<const std::byte> bytes,
                                       std::vector<Entry>& entries) {
  const auto drop = [this](Drop reason) {
    ++drops_[static_cast<std::size_t>(reason)];
    return std::optional(reason);
  };
  if (bytes.size() > kMaxMessageBytes) return drop(Drop::kTooLarge);
  const Result<JournalMessage> message = DecodeMessage(bytes);
  if (!message.ok()) return drop(Drop::kDamaged);
  Result<std::vector<Record>> records = DecodeAll(message.value());
  if (!records.ok()) return drop(Drop::kDamaged);
  const std::optional<Drop> reason = Check(name, message.value(), records.value());
  if (reason) return drop(*reason);
  if (next_offset_ == 0) {
    spec_hash_ = message.value().spec_hash;
    creator_ = name;
  }
  windows_[message.value().writer].Note(message.value().number);
  for (std::size_t i = 0; i < records.value().size(); ++i) {
    Record& record = records.value()[i];
    if (std::holds_alternative<JoinRecord>(record)) owners_.emplace_back(name);
    entries.push_back({next_offset_++, std::move(record), Hash64(message.value().payloads[i])});
  }
  return std::nullopt;
}

void RecordFilter::Save(ByteWriter& out) const {
  out.Put(next_offset_);
  out.Put(spec_hash_);
  out.PutString(creator_);
  out.Put(static_cast<std::uint64_t>(windows_.size()));
  for (const auto& [writer, window] : windows_) {
    out.Put(writer);
    out.Put(window.highest);
    out.Put(window.seen);
  }
  out.Put(static_cast<std::uint64_t>(owners_.size()));
  for (const std::string& name : owners_) out.PutString(name);
  out.PutAll(std::span<const std::uint64_t>(drops_));
}

bool RecordFilter::Load(ByteReader& in) {
  next_offset_ = in.Get<Offset>();
  spec_hash_ = in.Get<std::uint64_t>();
  creator_ = in.GetString();
  windows_.clear();
  const auto writers = in.Get<std::uint64_t>();
  for (std::uint64_t i = 0; i < writers && in.ok(); ++i) {
    Window& window = windows_[in.Get<std::uint64_t>()];
    window.highest = in.Get<std::uint32_t>();
    window.seen = in.Get<std::uint64_t>();
  }
  owners_.clear();
  const auto owners = in.Get<std::uint64_t>();
  for (std::uint64_t i = 0; i < owners && in.ok(); ++i) owners_.push_back(in.GetString());
  in.GetAll(std::span<std::uint64_t>(drops_));
  return in.ok();
}

}  // namespace ndcao
