#include "ndcao/journal/file/journal_reader.h"

#include <algorithm>
#include <limits>

#include "ndcao/journal/codec.h"

namespace ndcao {
namespace {

constexpr std::uint64_t kAll = std::numeric_limits<std::uint64_t>::max();
constexpr Offset kIndexEvery = 1024;
constexpr std::size_t kRecent = 16;
// A verdict "torn tail" is good for so many looks at the same place, then it is asked for again.
constexpr int kTornLooks = 64;

}  // namespace

Result<std::unique_ptr<JournalReader>> JournalReader::Open(const std::string& directory,
                                                           const std::vector<Offset>& segments,
                                                           std::unique_ptr<FileLock> lock) {
  std::unique_ptr<JournalReader> reader(new JournalReader(directory, std::move(lock)));
  reader->index_[0] = Position::AtSegment(0);
  for (const Offset first : segments) {
    reader->last_segment_ = first;
    // A last segment without a record may be removed, and its place be taken by a record of the
    // segment before: not a place to begin at.
    if (first == segments.back()) {
      const Result<bool> begun = HasRecord(directory, first);
      if (!begun.ok() || !begun.value()) continue;
    }
    reader->index_[first] = Position::AtSegment(first);
  }
  return reader;
}

Result<std::vector<Entry>> JournalReader::Read(Offset from, std::size_t max) {
  SegmentCursor cursor = CursorAt(from);
  Stop stop = Stop::kEnd;
  NDCAO_ASSIGN(std::vector<Entry> entries, ReadOn(cursor, from, max, &stop));
  Remember(cursor);
  if (!entries.empty()) return entries;
  const std::optional<Suspect> place = Unexplained(cursor, stop);
  if (!place || KnownTorn(*place)) return entries;
  return ReadLocked(cursor, from, max);
}

Result<Position> JournalReader::Find(Offset offset) {
  // From before it, since the chain is known only behind a record that was read.
  SegmentCursor cursor = CursorAt(offset - std::min<Offset>(offset, 1));
  const auto index = [this](const Position& position, const Frame&) {
    Index(position);
    return Ok();
  };
  NDCAO_TRY(cursor.Advance(offset - cursor.position().offset, index));
  Remember(cursor);
  return cursor.position();
}

Result<std::uint64_t> JournalReader::TornTail() {
  NDCAO_ASSIGN(const LockGuard guard, Lock());
  SegmentCursor cursor = CursorAt(kAll);
  NDCAO_ASSIGN(const Stop stop, cursor.Advance(kAll));
  const std::optional<Suspect> place = Unexplained(cursor, stop);
  if (!place) return std::uint64_t{0};
  NDCAO_ASSIGN(const std::uint64_t bytes, TornBytes(directory_, *place));
  return bytes + (place->byte <= kSegmentHeaderBytes ? place->byte : 0);
}

Result<JournalReader::LockGuard> JournalReader::Lock() {
  if (lock_ == nullptr) return LockGuard();
  NDCAO_ASSIGN(FileLock::Guard guard, lock_->Shared());
  return LockGuard(std::move(guard));
}

// Skips to `from`, then reads. What was read before an error counts: the error comes again.
Result<std::vector<Entry>> JournalReader::ReadOn(SegmentCursor& cursor, Offset from,
                                                 std::size_t max, Stop* stop) {
  std::vector<Entry> entries;
  const auto take = [&](const Position& position, const Frame& frame) -> Status {
    Index(position);
    if (position.offset < from) return Ok();
    Result<Record> record = DecodeRecord(frame.payload);
    if (!record.ok()) {
      return Damaged(directory_,
                     {position.segment, position.byte, position.offset, record.error().message()});
    }
    entries.push_back({position.offset, std::move(record).value(), frame.hash});
    return Ok();
  };
  const std::uint64_t skip = from - std::min(from, cursor.position().offset);
  const std::uint64_t count = skip > kAll - max ? kAll : skip + max;
  const Result<Stop> stopped = cursor.Advance(count, take);
  if (!stopped.ok() && entries.empty()) return stopped.error();
  *stop = stopped.ok() ? stopped.value() : Stop::kMore;
  return entries;
}

// Looks again while nobody writes. What is there now and is no record is a torn tail or damage.
Result<std::vector<Entry>> JournalReader::ReadLocked(SegmentCursor& cursor, Offset from,
                                                     std::size_t max) {
  NDCAO_ASSIGN(const LockGuard guard, Lock());
  Stop stop = Stop::kEnd;
  NDCAO_ASSIGN(std::vector<Entry> entries, ReadOn(cursor, from, max, &stop));
  Remember(cursor);
  if (!entries.empty()) return entries;
  const std::optional<Suspect> place = Unexplained(cursor, stop);
  if (!place) return entries;
  NDCAO_TRY(TornBytes(directory_, *place));
  const std::lock_guard lock(mutex_);
  torn_ = place;
  torn_seen_ = 0;
  return entries;
}

// Where something that is not a record, or a gap, stands behind the cursor; nothing if the cursor
// is at the journal's end.
std::optional<Suspect> JournalReader::Unexplained(const SegmentCursor& cursor, Stop stop) {
  if (stop == Stop::kSuspect) return cursor.suspect();
  const Position& at = cursor.position();
  const std::lock_guard lock(mutex_);
  if (stop == Stop::kMore || at.segment >= last_segment_) return std::nullopt;
  return Suspect{at.segment, at.byte, at.offset, "the records behind it are missing"};
}

bool JournalReader::KnownTorn(const Suspect& place) {
  const std::lock_guard lock(mutex_);
  return torn_ && torn_->SamePlace(place) && ++torn_seen_ < kTornLooks;
}

// The nearest known place at or before the offset.
SegmentCursor JournalReader::CursorAt(Offset offset) {
  const std::lock_guard lock(mutex_);
  Position best = std::prev(index_.upper_bound(offset))->second;
  for (const Position& position : recent_) {
    if (position.offset <= offset && position.offset > best.offset) best = position;
  }
  const bool open = last_file_ != nullptr && last_file_->header.first == best.segment;
  return SegmentCursor(directory_, best, open && best.byte > 0 ? last_file_ : nullptr);
}

void JournalReader::Index(const Position& position) {
  const bool begins_segment = position.byte == kSegmentHeaderBytes;
  if (position.offset % kIndexEvery != 0 && !begins_segment) return;
  const std::lock_guard lock(mutex_);
  index_[position.offset] = position;
}

void JournalReader::Remember(const SegmentCursor& cursor) {
  if (cursor.file() == nullptr) return;
  const Position& at = cursor.position();
  const std::lock_guard lock(mutex_);
  last_segment_ = std::max(last_segment_, at.segment);
  if (last_file_ == nullptr || last_file_->header.first <= at.segment) last_file_ = cursor.file();
  // A segment's beginning that was known by name only: from here, its header's chain is checked.
  const auto by_name = index_.find(at.offset);
  if (by_name != index_.end() && by_name->second.byte == 0) by_name->second = at;
  const auto same = [&](const Position& known) { return known.offset == at.offset; };
  const auto known = std::find_if(recent_.begin(), recent_.end(), same);
  if (known != recent_.end()) recent_.erase(known);
  recent_.push_front(at);
  if (recent_.size() > kRecent) recent_.pop_back();
}

}  // namespace ndcao
