// Hashes, by xxHash (XXH3): fast, not cryptographic. They detect accidents, not adversaries.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace ndcao {

/// XXH3, 64 bits.
std::uint64_t Hash64(std::span<const std::byte> bytes);
std::uint64_t Hash64(std::string_view text);

/// XXH3, 128 bits, as 32 hexadecimal digits: the digest of a parameter vector's bytes
/// (float32, little-endian).
std::string DigestHex(std::span<const float> values);

/// 16 hexadecimal digits.
std::string Hex(std::uint64_t value);

/// One step of a hash chain: the chain value after a record, from the value before it and the
/// record's own hash.
std::uint64_t ChainHash(std::uint64_t before, std::uint64_t record_hash);

}  // namespace ndcao
