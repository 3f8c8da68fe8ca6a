#include "ndcao/base/hash.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <array>

namespace ndcao {

std::uint64_t Hash64(std::span<const std::byte> bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

std::uint64_t Hash64(std::string_view text) { return XXH3_64bits(text.data(), text.size()); }

std::string DigestHex(std::span<const float> values) {
  const XXH128_hash_t hash = XXH3_128bits(values.data(), values.size_bytes());
  return Hex(hash.high64) + Hex(hash.low64);
}

std::string Hex(std::uint64_t value) { return fmt::format("{:016x}", value); }

std::uint64_t ChainHash(std::uint64_t before, std::uint64_t record_hash) {
  const std::array<std::uint64_t, 2> words = {before, record_hash};
  return Hash64(std::as_bytes(std::span(words)));
}

}  // namespace ndcao
