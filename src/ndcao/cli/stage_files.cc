#include "ndcao/cli/stage_files.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>

#include "ndcao/base/hash.h"
#include "ndcao/cli/files.h"
#include "ndcao/journal/codec.h"

namespace ndcao {
namespace {

std::streamsize Size(std::size_t bytes) { return static_cast<std::streamsize>(bytes); }

Result<StageHead> ReadHead(std::ifstream& file, const std::string& path) {
  std::vector<std::byte> bytes(kStagePrefixBytes);
  file.read(reinterpret_cast<char*>(bytes.data()), Size(bytes.size()));
  bytes.resize(static_cast<std::size_t>(file.gcount()));
  const Result<std::uint64_t> length = DecodeStagePrefix(bytes);
  if (!length.ok()) return length.error().Context(fmt::format("--file {}", path));
  std::error_code error;
  if (length.value() > std::filesystem::file_size(path, error)) {
    return Corrupt(fmt::format("--file {}: it is cut off", path));
  }
  bytes.resize(kStagePrefixBytes + length.value());
  file.read(reinterpret_cast<char*>(bytes.data() + kStagePrefixBytes), Size(length.value()));
  Result<StageHead> head = DecodeStageHead(bytes);
  if (!head.ok()) return head.error().Context(fmt::format("--file {}", path));
  return head;
}

}  // namespace

Status WriteStageFile(const std::string& path, const StageHead& head,
                      std::span<const float> values) {
  const std::vector<std::byte> bytes = EncodeStageHead(head);
  const std::string_view parts[] = {
      {reinterpret_cast<const char*>(bytes.data()), bytes.size()},
      {reinterpret_cast<const char*>(values.data()), values.size_bytes()}};
  return WriteParts(path, parts);
}

Result<StageFile> ReadStageFile(const std::string& path, bool with_values) {
  std::ifstream file(path, std::ios::binary);
  if (!file || std::filesystem::is_directory(path)) {
    return Invalid(
        fmt::format("--file {}: it cannot be read; 'ndcao split' writes stage files", path));
  }
  StageFile stage;
  NDCAO_ASSIGN(stage.head, ReadHead(file, path));
  if (!with_values) return stage;
  std::error_code error;
  const std::uint64_t size = std::filesystem::file_size(path, error);
  const std::uint64_t wanted = stage.head.parameters * sizeof(float);
  if (size - static_cast<std::uint64_t>(file.tellg()) != wanted) {
    return Corrupt(
        fmt::format("--file {}: it holds no {} parameters", path, stage.head.parameters));
  }
  stage.values.resize(stage.head.parameters);
  file.read(reinterpret_cast<char*>(stage.values.data()), Size(wanted));
  if (file &&
      Hash64(std::as_bytes(std::span<const float>(stage.values))) == stage.head.values_hash) {
    return stage;
  }
  return Corrupt(fmt::format("--file {}: its parameters are damaged", path));
}

std::string StagePath(const std::string& directory, std::uint32_t stage) {
  return fmt::format("{}/stage-{}.ndcao", directory, stage);
}

std::string StageDirectory(const std::string& stage_file) {
  return std::filesystem::path(stage_file).replace_extension().string() + ".kept";
}

std::uint64_t SpecHashOf(const StageHead& head) {
  return Hash64(EncodeRecord(SpecRecord{head.spec, head.layout.size(), head.initial_digest}));
}

}  // namespace ndcao
