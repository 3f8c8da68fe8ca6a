#include "ndcao/data/idx.h"

#include <fmt/format.h>

#include <limits>

#include "ndcao/data/file.h"
#include "ndcao/data/text.h"

namespace ndcao {
namespace {

constexpr std::size_t kMagicBytes = 4;
constexpr std::size_t kDimensionBytes = 4;
constexpr std::uint8_t kUnsignedByte = 0x08;
constexpr std::uint64_t kTooMany = std::numeric_limits<std::uint64_t>::max();

std::uint32_t BigEndian32(std::span<const std::uint8_t> bytes) {
  return static_cast<std::uint32_t>(bytes[0]) << 24 | static_cast<std::uint32_t>(bytes[1]) << 16 |
         static_cast<std::uint32_t>(bytes[2]) << 8 | bytes[3];
}

/// The product, or kTooMany when it does not fit.
std::uint64_t CountValues(const std::vector<std::uint32_t>& dimensions) {
  std::uint64_t count = 1;
  for (const std::uint32_t dimension : dimensions) {
    if (__builtin_mul_overflow(count, dimension, &count)) return kTooMany;
  }
  return count;
}

Status CheckMagic(std::span<const std::uint8_t> bytes, const std::string& name) {
  if (bytes.size() < kMagicBytes) {
    return Invalid(fmt::format("file '{}' has {} bytes, an IDX file has at least {}", name,
                               bytes.size(), kMagicBytes + kDimensionBytes));
  }
  if (bytes[0] != 0 || bytes[1] != 0) {
    return Invalid(
        fmt::format("file '{}' starts with the bytes {:02x} {:02x}, an IDX file with "
                    "00 00",
                    name, bytes[0], bytes[1]));
  }
  if (bytes[2] != kUnsignedByte) {
    return Invalid(
        fmt::format("file '{}' holds values of the IDX type 0x{:02x}, only unsigned "
                    "bytes (0x{:02x}) are read",
                    name, bytes[2], kUnsignedByte));
  }
  if (bytes[3] == 0) {
    return Invalid(
        fmt::format("file '{}' says it has 0 dimensions, an IDX file has at least 1", name));
  }
  return Ok();
}

Status CheckSize(const std::vector<std::uint32_t>& dimensions, std::uint64_t found,
                 const std::string& name) {
  for (std::size_t i = 0; i < dimensions.size(); ++i) {
    if (dimensions[i] > 0) continue;
    return Invalid(fmt::format("file '{}' is empty: dimension {} of {} is 0, it must be positive",
                               name, i + 1, dimensions.size()));
  }
  const std::uint64_t expected = CountValues(dimensions);
  if (found == expected) return Ok();
  const std::string count = expected == kTooMany ? "2^64 or more" : fmt::format("{}", expected);
  return Invalid(
      fmt::format("file '{}' {}: {} bytes follow its header, but its dimensions {} "
                  "take {}",
                  name, found < expected ? "is truncated" : "has bytes too many", found,
                  ShapeText(dimensions), count));
}

}  // namespace

Result<IdxArray> ParseIdx(std::span<const std::uint8_t> bytes, const std::string& name) {
  NDCAO_TRY(CheckMagic(bytes, name));
  const std::size_t rank = bytes[3];
  const std::size_t header = kMagicBytes + rank * kDimensionBytes;
  if (bytes.size() < header) {
    return Invalid(
        fmt::format("file '{}' is truncated: {} bytes, but the header for {} dimensions "
                    "alone takes {}",
                    name, bytes.size(), rank, header));
  }
  IdxArray array;
  for (std::size_t i = 0; i < rank; ++i) {
    array.dimensions.push_back(BigEndian32(bytes.subspan(kMagicBytes + i * kDimensionBytes)));
  }
  const auto values = bytes.subspan(header);
  NDCAO_TRY(CheckSize(array.dimensions, values.size(), name));
  array.values.assign(values.begin(), values.end());
  return array;
}

Result<IdxArray> ReadIdx(const std::string& path) {
  NDCAO_ASSIGN(const auto bytes, ReadFile(path));
  return ParseIdx(bytes, path);
}

Result<ShapedExamples> ReadIdxExamples(const std::string& images_path,
                                       const std::string& labels_path) {
  NDCAO_ASSIGN(IdxArray images, ReadIdx(images_path));
  NDCAO_ASSIGN(const IdxArray labels, ReadIdx(labels_path));
  const auto& extents = images.dimensions;
  if (extents.size() < 2 || extents.size() > 4) {
    return Invalid(fmt::format("file '{}' has {} dimensions, images have 2, 3 or 4", images_path,
                               extents.size()));
  }
  if (labels.dimensions.size() != 1) {
    return Invalid(fmt::format("file '{}' has {} dimensions, labels have 1", labels_path,
                               labels.dimensions.size()));
  }
  if (extents[0] != labels.dimensions[0]) {
    return Invalid(fmt::format("file '{}' holds {} images, but '{}' holds {} labels", images_path,
                               extents[0], labels_path, labels.dimensions[0]));
  }
  ShapedExamples result;
  if (extents.size() == 3) result.shape.push_back(1);
  result.shape.insert(result.shape.end(), extents.begin() + 1, extents.end());
  result.examples.labels.assign(labels.values.begin(), labels.values.end());
  result.examples.bytes = std::move(images.values);
  return result;
}

}  // namespace ndcao
