#include "ndcao/journal/nats/names.h"

#include <fmt/format.h>

#include <algorithm>

namespace ndcao {
namespace {

constexpr std::size_t kLongestName = 64;

bool Allowed(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

}  // namespace

Status CheckName(const std::string& flag, const std::string& name) {
  if (!name.empty() && name.size() <= kLongestName && std::ranges::all_of(name, Allowed)) {
    return Ok();
  }
  return Invalid(fmt::format("{} '{}': expected 1 to {} letters, digits, '-' or '_'", flag, name,
                             kLongestName));
}

std::string AsName(const std::string& text) {
  std::string name = text.substr(0, kLongestName);
  std::ranges::replace_if(
      name, [](char c) { return !Allowed(c); }, '_');
  return name;
}

std::string JournalStream(const std::string& run) { return "NDCAO_J_" + run; }
std::string BlobStream(const std::string& run) { return "NDCAO_B_" + run; }

std::string JournalSubject(const std::string& run, const std::string& writer) {
  return fmt::format("ndcao.{}.j.{}", run, writer);
}

std::string BlobSubject(const std::string& run, const std::string& blob, std::uint64_t chunk) {
  return fmt::format("ndcao.{}.b.{}.{}", run, blob, chunk);
}

std::string LastToken(const std::string& subject) {
  return subject.substr(subject.rfind('.') + 1);  // npos + 1 is 0: a subject of one token
}

std::string SpecKey(const std::string& run) { return run + ".spec"; }

std::string ManifestKey(const std::string& run, const std::string& blob) {
  return fmt::format("{}.blob.{}", run, blob);
}

std::string AliveKey(const std::string& run, const std::string& writer) {
  return fmt::format("{}.w.{}", run, writer);
}

std::string ClaimKey(const std::string& run, const std::string& name) {
  return fmt::format("{}.claim.{}", run, name);
}

std::string StageSubject(const std::string& run, std::uint32_t stage) {
  return fmt::format("ndcao.{}.s.{}", run, stage);
}

std::string LeaseKey(const std::string& run) { return run + ".lease"; }

}  // namespace ndcao
