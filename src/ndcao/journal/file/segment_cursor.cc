#include "ndcao/journal/file/segment_cursor.h"

#include "ndcao/base/hash.h"

namespace ndcao {
namespace {

constexpr std::size_t kReadBytes = std::size_t{64} << 10;

const char* ReasonOf(FrameState state) {
  return state == FrameState::kPartial ? "the file ends within the record"
                                       : "the record's length or checksum is wrong";
}

}  // namespace

SegmentCursor::SegmentCursor(std::string directory, Position position,
                             std::shared_ptr<const SegmentFile> file)
    : directory_(std::move(directory)), position_(position), file_(std::move(file)) {}

Result<Stop> SegmentCursor::Advance(std::uint64_t max, const Sink& sink) {
  if (file_ == nullptr && position_.byte > 0) NDCAO_TRY(Reopen());
  while (max > 0) {
    if (file_ != nullptr) {
      NDCAO_ASSIGN(const Stop stop, ReadFrames(&max, sink));
      if (stop != Stop::kEnd) return stop;
    }
    NDCAO_ASSIGN(const Stop entered, Enter());
    if (entered != Stop::kMore) return entered;
  }
  return Stop::kMore;
}

// Takes frames of the open segment; kEnd at the end of its file.
Result<Stop> SegmentCursor::ReadFrames(std::uint64_t* max, const Sink& sink) {
  while (*max > 0) {
    const std::uint64_t before = position_.byte;
    NDCAO_ASSIGN(const Bytes bytes, Load(*file_, before, position_.offset));
    if (bytes.empty()) return Stop::kEnd;
    NDCAO_TRY(TakeFrames(bytes, max, sink));
    if (position_.byte > before) continue;
    Frame frame;
    const FrameState state = ParseFrame(bytes, position_.offset, &frame);
    return Suspected(position_.segment, before, ReasonOf(state));
  }
  return Stop::kMore;
}

// Takes the whole frames at the front of `bytes`, which stand at the position.
Status SegmentCursor::TakeFrames(Bytes bytes, std::uint64_t* max, const Sink& sink) {
  Frame frame;
  while (*max > 0 && ParseFrame(bytes, position_.offset, &frame) == FrameState::kWhole) {
    if (position_.offset == 0 && frame.hash != file_->header.spec_hash) {
      return Damaged(directory_, {0, position_.byte, 0, "record 0 is not the header's spec"});
    }
    if (sink) NDCAO_TRY(sink(position_, frame));
    Pass(frame.hash, frame.size());
    --*max;
    bytes = bytes.subspan(frame.size());
  }
  return Ok();
}

void SegmentCursor::Pass(std::uint64_t payload_hash, std::size_t frame_bytes) {
  position_.chain = ChainHash(position_.chain, payload_hash);
  position_.byte += frame_bytes;
  ++position_.offset;
}

// Goes over to the segment that begins at the position, if it is there with a first record. Until
// then the cursor stays where it is, since a torn creation will be removed.
Result<Stop> SegmentCursor::Enter() {
  const Offset first = position_.offset;
  if (file_ != nullptr && file_->header.first == first) return Stop::kEnd;
  auto opened = OpenSegment(directory_, first);
  if (!opened.ok()) {
    if (opened.error().code() != ErrorCode::kCorrupt) return opened.error();
    return Suspected(first, 0, opened.error().message());
  }
  const std::shared_ptr<const SegmentFile> next = std::move(opened).value();
  if (next == nullptr) return Stop::kEnd;
  NDCAO_TRY(CheckHeader(*next));
  NDCAO_ASSIGN(const Bytes bytes, Load(*next, kSegmentHeaderBytes, first));
  Frame frame;
  const FrameState state = ParseFrame(bytes, first, &frame);
  if (state != FrameState::kWhole) return Suspected(first, kSegmentHeaderBytes, ReasonOf(state));
  position_ = {first, next->header.chain, first, kSegmentHeaderBytes};
  file_ = next;
  return Stop::kMore;
}

// Opens the segment of a position within it.
Status SegmentCursor::Reopen() {
  const Suspect here = {position_.segment, 0, position_.segment, "the segment is missing"};
  const auto opened = OpenSegment(directory_, position_.segment);
  if (!opened.ok()) {
    if (opened.error().code() != ErrorCode::kCorrupt) return opened.error();
    return Damaged(directory_, {here.segment, 0, here.offset, opened.error().message()});
  }
  if (opened.value() == nullptr) return Damaged(directory_, here);
  file_ = opened.value();
  return Ok();
}

// An intact header that does not fit is damage, never a torn creation.
Status SegmentCursor::CheckHeader(const SegmentFile& next) const {
  const SegmentHeader& header = next.header;
  const char* reason = nullptr;
  if (header.first != position_.offset) reason = "the header has another first offset";
  const bool chain_known = file_ != nullptr || position_.offset == 0;
  if (chain_known && header.chain != position_.chain) {
    reason = "the header's chain hash is not that of the records before";
  }
  if (file_ != nullptr && header.spec_hash != file_->header.spec_hash) {
    reason = "the header's spec hash is not that of the run";
  }
  if (reason == nullptr) return Ok();
  return Damaged(directory_, {position_.offset, 0, position_.offset, reason});
}

// Bytes from `byte` on: at least the whole frame there, or everything up to the end of the file.
Result<SegmentCursor::Bytes> SegmentCursor::Load(const SegmentFile& file, std::uint64_t byte,
                                                 Offset offset) {
  buffer_.resize(kReadBytes);
  NDCAO_ASSIGN(std::size_t got, ReadAt(file.fd, file.path, byte, buffer_));
  Frame frame;
  if (got == kReadBytes && ParseFrame(buffer_, offset, &frame) == FrameState::kPartial) {
    buffer_.resize(NeededBytes(buffer_));
    NDCAO_ASSIGN(got, ReadAt(file.fd, file.path, byte, buffer_));
  }
  return Bytes(buffer_).first(got);
}

Stop SegmentCursor::Suspected(Offset segment, std::uint64_t byte, std::string reason) {
  suspect_ = {segment, byte, position_.offset, std::move(reason)};
  return Stop::kSuspect;
}

Result<bool> HasRecord(const std::string& directory, Offset first) {
  SegmentCursor probe(directory, Position::AtSegment(first));
  NDCAO_ASSIGN(const Stop stop, probe.Advance(1));
  return stop == Stop::kMore;
}

}  // namespace ndcao
