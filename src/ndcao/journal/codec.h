// Records to bytes and back, as docs/formats/journal.md has it.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "ndcao/base/result.h"
#include "ndcao/journal/record.h"

namespace ndcao {

/// The payload of one record: its type, then its fields. Without length and checksum, which the
/// journal's implementation adds around it.
std::vector<std::byte> EncodeRecord(const Record& record);

/// Reads a payload. kCorrupt on an unknown type, a short or a long payload; never reads outside.
Result<Record> DecodeRecord(std::span<const std::byte> payload);

}  // namespace ndcao
