// Reads a journal's frames in order, from one segment into the next, verifying checksums, headers
// and the hash chain. Sees what other threads and processes append; takes no lock.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ndcao/journal/file/segment_file.h"

namespace ndcao {

/// A place between two records of a journal.
struct Position {
  Offset offset = 0;        ///< Of the record that follows.
  std::uint64_t chain = 0;  ///< The hash chain there.
  Offset segment = 0;       ///< First offset of the segment that ends or goes on there.
  std::uint64_t byte = 0;   ///< Place in its file. 0: the segment is not opened yet, and the chain
                            ///< is taken from its header.

  /// Where the segment that begins at `first` begins.
  static Position AtSegment(Offset first) { return {first, 0, first, 0}; }
};

/// Why Advance stopped.
enum class Stop {
  kMore,     ///< It has taken as many records as it was asked for.
  kEnd,      ///< There is nothing behind the last record.
  kSuspect,  ///< There is something, and it is not a record: suspect().
};

/// One thread at a time.
class SegmentCursor {
 public:
  /// Called for each frame, with its position. An error stops the cursor before that frame.
  using Sink = std::function<Status(const Position&, const Frame&)>;

  /// `file` is the position's segment, if the caller has it open.
  SegmentCursor(std::string directory, Position position,
                std::shared_ptr<const SegmentFile> file = nullptr);

  /// Takes up to `max` records. Fails with kCorrupt where bytes are wrong and cannot be a torn
  /// tail, kInvalid for another version.
  Result<Stop> Advance(std::uint64_t max, const Sink& sink = nullptr);

  /// Moves behind a frame that the caller has just written at the position.
  void Pass(std::uint64_t payload_hash, std::size_t frame_bytes);

  const Position& position() const { return position_; }
  const Suspect& suspect() const { return suspect_; }
  /// Null before the first record.
  const std::shared_ptr<const SegmentFile>& file() const { return file_; }

 private:
  using Bytes = std::span<const std::byte>;

  Result<Stop> ReadFrames(std::uint64_t* max, const Sink& sink);
  Status TakeFrames(Bytes bytes, std::uint64_t* max, const Sink& sink);
  Result<Stop> Enter();
  Status Reopen();
  Status CheckHeader(const SegmentFile& next) const;
  Result<Bytes> Load(const SegmentFile& file, std::uint64_t byte, Offset offset);
  Stop Suspected(Offset segment, std::uint64_t byte, std::string reason);

  std::string directory_;
  Position position_;
  std::shared_ptr<const SegmentFile> file_;
  Suspect suspect_;
  std::vector<std::byte> buffer_;
};

/// Whether the segment that begins at `first` has its first record; a torn creation has not.
Result<bool> HasRecord(const std::string& directory, Offset first);

}  // namespace ndcao
