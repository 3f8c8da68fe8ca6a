// The segment files of a journal's directory, for reading, and the verdict on bytes that are not a
// record: a torn tail or damage.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ndcao/base/result.h"
#include "ndcao/journal/file/posix.h"
#include "ndcao/journal/file/segment.h"

namespace ndcao {

/// A segment whose header is intact.
struct SegmentFile {
  std::string path;
  UniqueFd fd;
  SegmentHeader header;
};

/// Opens the segment that begins at `first`; null if there is none. kCorrupt if its header is not
/// intact (it may be a torn creation), kInvalid for another version.
Result<std::shared_ptr<const SegmentFile>> OpenSegment(const std::string& directory, Offset first);

/// First offsets of the segments in a journal's directory, ascending.
Result<std::vector<Offset>> ListSegments(const std::string& directory);

/// Refuses a list that does not begin at 0 and headers that are broken or of different runs. Says
/// nothing about the last segment's header if that is broken: it may be a torn creation.
Status CheckSegments(const std::string& directory, const std::vector<Offset>& segments);

/// A place where a record was expected and something else was found.
struct Suspect {
  Offset segment = 0;      ///< First offset of the segment.
  std::uint64_t byte = 0;  ///< Place in its file.
  Offset offset = 0;       ///< The record that was expected there.
  std::string reason;

  bool SamePlace(const Suspect& other) const {
    return segment == other.segment && byte == other.byte && offset == other.offset;
  }
};

/// "journal segment '<path>' is damaged at byte <byte> (record <offset>): <reason>", kCorrupt.
Error Damaged(const std::string& directory, const Suspect& suspect);

/// Judges a suspect by the rule in docs/formats/journal.md. Returns the number of bytes from there
/// to the end of the file if it is a torn tail, kCorrupt if it is damage. Nobody may be writing:
/// the caller holds the journal's lock.
Result<std::uint64_t> TornBytes(const std::string& directory, const Suspect& suspect);

}  // namespace ndcao
