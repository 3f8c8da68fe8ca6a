#include "ndcao/data/cifar10.h"

#include <fmt/format.h>

#include "ndcao/data/file.h"

namespace ndcao {
namespace {

constexpr std::size_t kImageBytes = 3 * 32 * 32;
constexpr std::size_t kRecordBytes = 1 + kImageBytes;
constexpr int kClasses = 10;

}  // namespace

Status ParseCifar10(std::span<const std::uint8_t> bytes, const std::string& name,
                    Examples* examples) {
  if (bytes.empty() || bytes.size() % kRecordBytes != 0) {
    return Invalid(fmt::format("file '{}' has {} bytes, a CIFAR-10 file a positive multiple of {}",
                               name, bytes.size(), kRecordBytes));
  }
  for (std::size_t at = 0; at < bytes.size(); at += kRecordBytes) {
    const auto record = bytes.subspan(at, kRecordBytes);
    if (record[0] >= kClasses) {
      return Invalid(fmt::format("file '{}', record {}: label {} is not in 0..{}", name,
                                 at / kRecordBytes, record[0], kClasses - 1));
    }
    examples->labels.push_back(record[0]);
    examples->bytes.insert(examples->bytes.end(), record.begin() + 1, record.end());
  }
  return Ok();
}

Result<ShapedExamples> ReadCifar10(const std::vector<std::string>& paths) {
  ShapedExamples result{{3, 32, 32}, {}};
  for (const std::string& path : paths) {
    NDCAO_ASSIGN(const auto bytes, ReadFile(path));
    NDCAO_TRY(ParseCifar10(bytes, path, &result.examples));
  }
  return result;
}

}  // namespace ndcao
