#include "ndcao/journal/file/segment_file.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace ndcao {
namespace {

std::string SegmentPath(const std::string& directory, Offset first) {
  return directory + "/" + SegmentName(first);
}

// The bytes of a segment's file from `from` to its end; none if the file does not exist.
Result<std::vector<std::byte>> ReadRest(const std::string& path, std::uint64_t from) {
  NDCAO_ASSIGN(const UniqueFd fd, OpenIfExists(path, O_RDONLY));
  if (!fd.valid()) return std::vector<std::byte>();
  NDCAO_ASSIGN(const std::uint64_t size, FileSize(fd, path));
  std::vector<std::byte> bytes(size > from ? size - from : 0);
  NDCAO_ASSIGN(const std::size_t got, ReadAt(fd, path, from, bytes));
  bytes.resize(got);
  return bytes;
}

}  // namespace

Result<std::shared_ptr<const SegmentFile>> OpenSegment(const std::string& directory, Offset first) {
  const std::string path = SegmentPath(directory, first);
  NDCAO_ASSIGN(UniqueFd fd, OpenIfExists(path, O_RDONLY));
  if (!fd.valid()) return std::shared_ptr<const SegmentFile>();
  std::array<std::byte, kSegmentHeaderBytes> bytes;
  NDCAO_ASSIGN(const std::size_t got, ReadAt(fd, path, 0, bytes));
  const Result<SegmentHeader> header = DecodeSegmentHeader(std::span(bytes).first(got));
  if (!header.ok()) {
    if (header.error().code() == ErrorCode::kCorrupt) return header.error();
    return header.error().Context(fmt::format("journal segment '{}'", path));
  }
  return std::shared_ptr<const SegmentFile>(new SegmentFile{path, std::move(fd), header.value()});
}

Result<std::vector<Offset>> ListSegments(const std::string& directory) {
  NDCAO_ASSIGN(const std::vector<std::string> names, ListDirectory(directory));
  std::vector<Offset> segments;
  for (const std::string& name : names) {
    if (const auto first = ParseSegmentName(name)) segments.push_back(*first);
  }
  std::sort(segments.begin(), segments.end());
  return segments;
}

Status CheckSegments(const std::string& directory, const std::vector<Offset>& segments) {
  if (segments.empty()) return Ok();
  if (segments.front() != 0) {
    return Damaged(directory, {0, 0, 0, "the first segment is missing"});
  }
  std::uint64_t spec_hash = 0;
  for (const Offset first : segments) {
    const auto file = OpenSegment(directory, first);
    if (!file.ok()) {
      if (file.error().code() != ErrorCode::kCorrupt) return file.error();
      if (first == segments.back()) return Ok();
      return Damaged(directory, {first, 0, first, file.error().message()});
    }
    if (file.value() == nullptr) continue;  // A torn creation that a writer removed meanwhile.
    const SegmentHeader& header = file.value()->header;
    if (first == 0) spec_hash = header.spec_hash;
    if (header.first != first || header.spec_hash != spec_hash) {
      return Damaged(directory, {first, 0, first, "the segment belongs elsewhere"});
    }
  }
  return Ok();
}

Error Damaged(const std::string& directory, const Suspect& suspect) {
  return Corrupt(fmt::format("journal segment '{}' is damaged at byte {} (record {}): {}",
                             SegmentPath(directory, suspect.segment), suspect.byte, suspect.offset,
                             suspect.reason));
}

Result<std::uint64_t> TornBytes(const std::string& directory, const Suspect& suspect) {
  Suspect damage = suspect;
  NDCAO_ASSIGN(const std::vector<Offset> segments, ListSegments(directory));
  if (!segments.empty() && segments.back() > suspect.segment) {
    damage.reason += fmt::format("; another segment follows, {}", SegmentName(segments.back()));
    return Damaged(directory, damage);
  }
  const std::string path = SegmentPath(directory, suspect.segment);
  NDCAO_ASSIGN(const std::vector<std::byte> rest, ReadRest(path, suspect.byte));
  if (const auto at = FindWholeFrame(rest, suspect.offset)) {
    damage.reason += fmt::format("; a whole record follows at byte {}", suspect.byte + *at);
    return Damaged(directory, damage);
  }
  return rest.size();
}

}  // namespace ndcao
