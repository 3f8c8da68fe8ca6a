// From the messages of a run's stream to the records of its journal.
//
// Anybody who may publish can put anything into the stream, and a message may be in it twice. The
// filter decides, as a pure function of the messages in order, which of them count: so every
// replica drops the same ones, and a record's offset is the number of accepted records before it.
// One thread at a time.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ndcao/base/bytes.h"
#include "ndcao/journal/nats/message.h"
#include "ndcao/journal/record.h"

namespace ndcao {

/// Why a message was dropped, whole.
enum class Drop : std::uint8_t {
  kTooLarge,    ///< More than kMaxMessageBytes.
  kDamaged,     ///< Checksum, version, lengths, or a record that does not decode.
  kOtherRun,    ///< Another spec hash, or before record 0.
  kOutOfPlace,  ///< A spec record that is not record 0.
  kImpostor,    ///< In the name of a worker that joined through another subject, or of the creator.
  kRepeated,    ///< The same message of the same writer again.
};
inline constexpr std::size_t kDropKinds = 6;
std::string_view NameOf(Drop drop);

class RecordFilter {
 public:
  /// A message this many numbers behind a newer one of the same writer counts as repeated.
  static constexpr std::uint32_t kWindow = 64;

  /// Takes the next message of the stream, published by `name` (the subject's last token). Its
  /// records get the next offsets and are appended to `entries`; or it is dropped and counted.
  std::optional<Drop> Take(std::string_view name, std::span<const std::byte> bytes,
                           std::vector<Entry>& entries);

  Offset next_offset() const { return next_offset_; }
  /// Hash64 of record 0's payload; 0 before it.
  std::uint64_t spec_hash() const { return spec_hash_; }
  const std::string& creator() const { return creator_; }
  /// Messages dropped so far, by Drop.
  const std::array<std::uint64_t, kDropKinds>& drops() const { return drops_; }

  void Save(ByteWriter& out) const;
  /// False (and the reader failed) if the bytes are no filter's.
  bool Load(ByteReader& in);

  friend bool operator==(const RecordFilter&, const RecordFilter&) = default;

 private:
  // The last kWindow messages of one writer that were seen: RFC 4303's window against replays.
  struct Window {
    std::uint32_t highest = 0;
    std::uint64_t seen = 0;  // bit i: highest − i

    bool Repeats(std::uint32_t number) const;
    void Note(std::uint32_t number);
    friend bool operator==(const Window&, const Window&) = default;
  };

  std::optional<Drop> Check(std::string_view name, const JournalMessage& message,
                            const std::vector<Record>& records) const;
  bool Owns(std::string_view name, const Record& record, std::size_t joins_before) const;

  Offset next_offset_ = 0;
  std::uint64_t spec_hash_ = 0;
  std::map<std::uint64_t, Window> windows_;  // by writer
  std::string creator_;                      // the name that record 0 came from
  std::vector<std::string> owners_;          // by worker: the name that its join came from
  std::array<std::uint64_t, kDropKinds> drops_{};
};

}  // namespace ndcao
