#include "ndcao/journal/file/snapshot_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <filesystem>

#include "ndcao/base/bytes.h"
#include "ndcao/base/hash.h"
#include "ndcao/base/log.h"
#include "ndcao/journal/file/file_lock.h"
#include "ndcao/journal/file/posix.h"

namespace ndcao {
namespace {

constexpr std::array<char, 8> kMagic = {'N', 'D', 'C', 'A', 'O', 'S', 'N', 'P'};
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kChecksumAt = 48;
constexpr std::size_t kHeaderBytes = 56;
constexpr std::size_t kNameDigits = 20;
constexpr std::string_view kSuffix = ".snap";
constexpr std::string_view kUnfinished = ".tmp";

struct Header {
  Offset offset = 0;
  std::uint64_t spec_hash = 0;
  std::uint64_t chain = 0;
  std::uint64_t length = 0;
  std::uint64_t checksum = 0;
};

std::uint64_t Checksum(std::span<const std::byte> header, std::span<const std::byte> body) {
  return ChainHash(Hash64(header.first(kChecksumAt)), Hash64(body));
}

std::vector<std::byte> EncodeHeader(const Header& header, std::span<const std::byte> body) {
  ByteWriter out;
  out.PutAll(std::span<const char>(kMagic));
  out.Put(kVersion);
  out.Put(std::uint32_t{0});
  out.Put(header.offset);
  out.Put(header.spec_hash);
  out.Put(header.chain);
  out.Put(static_cast<std::uint64_t>(body.size()));
  out.Put(Checksum(out.bytes(), body));
  return out.Take();
}

Result<Header> DecodeHeader(std::span<const std::byte> bytes) {
  ByteReader in(bytes);
  std::array<char, 8> magic{};
  in.GetAll(std::span<char>(magic));
  const auto version = in.Get<std::uint32_t>();
  in.Get<std::uint32_t>();
  Header header;
  header.offset = in.Get<Offset>();
  header.spec_hash = in.Get<std::uint64_t>();
  header.chain = in.Get<std::uint64_t>();
  header.length = in.Get<std::uint64_t>();
  header.checksum = in.Get<std::uint64_t>();
  if (!in.ok() || magic != kMagic) return Corrupt("it does not begin with a snapshot header");
  if (version != kVersion) {
    return Invalid(
        fmt::format("it has format version {}, this program reads version {}", version, kVersion));
  }
  return header;
}

}  // namespace

Status SnapshotStore::Write(Offset offset, std::uint64_t chain, std::span<const std::byte> bytes) {
  NDCAO_TRY(MakeDirectories(directory_));
  NDCAO_ASSIGN(const auto lock, FileLock::Open(directory_, O_RDONLY | O_DIRECTORY));
  NDCAO_ASSIGN(const auto guard, lock->Exclusive());
  RemoveUnfinished();
  const std::string path = PathOf(offset);
  const std::string unfinished = path + std::string(kUnfinished);
  Status written = WriteTo(unfinished, offset, chain, bytes);
  if (!written.ok()) {
    ::unlink(unfinished.c_str());
    return written;
  }
  if (::rename(unfinished.c_str(), path.c_str()) != 0) return IoError("create", path, errno);
  NDCAO_TRY(SyncDirectory(directory_));
  Prune(offset);
  return Ok();
}

std::optional<Snapshot> SnapshotStore::ReadNewest(Offset max_offset) const {
  std::vector<Offset> offsets = List();
  for (;;) {
    for (auto it = offsets.rbegin(); it != offsets.rend(); ++it) {
      if (*it > max_offset) continue;
      Result<Snapshot> snapshot = ReadOne(*it);
      if (snapshot.ok()) return std::move(snapshot).value();
      spdlog::warn("snapshot '{}' is skipped: {}", PathOf(*it), snapshot.error().message());
    }
    // A writer may have replaced all of them meanwhile.
    std::vector<Offset> now = List();
    if (now == offsets) return std::nullopt;
    offsets = std::move(now);
  }
}

std::string SnapshotStore::PathOf(Offset offset) const {
  return fmt::format("{}/{:020}{}", directory_, offset, kSuffix);
}

// Offsets of the snapshots by their names, ascending; none if the directory cannot be read.
std::vector<Offset> SnapshotStore::List() const {
  std::vector<Offset> offsets;
  const Result<std::vector<std::string>> names = ListDirectory(directory_);
  if (!names.ok()) return offsets;
  for (const std::string& name : names.value()) {
    if (name.size() != kNameDigits + kSuffix.size() || !name.ends_with(kSuffix)) continue;
    Offset offset = 0;
    const char* end = name.data() + kNameDigits;
    if (std::from_chars(name.data(), end, offset).ptr == end) offsets.push_back(offset);
  }
  std::sort(offsets.begin(), offsets.end());
  return offsets;
}

Status SnapshotStore::WriteTo(const std::string& path, Offset offset, std::uint64_t chain,
                              std::span<const std::byte> bytes) const {
  NDCAO_ASSIGN(const UniqueFd fd, OpenFile(path, O_WRONLY | O_CREAT | O_TRUNC));
  const Header header = {.offset = offset, .spec_hash = spec_hash_, .chain = chain};
  NDCAO_TRY(WriteAll(fd, path, EncodeHeader(header, bytes)));
  NDCAO_TRY(WriteAll(fd, path, bytes));
  if (::fsync(fd.get()) != 0) return IoError("sync", path, errno);
  return Ok();
}

// What a writer that died has left. Under the lock, so nobody is writing it.
void SnapshotStore::RemoveUnfinished() const {
  const Result<std::vector<std::string>> names = ListDirectory(directory_);
  if (!names.ok()) return;
  for (const std::string& name : names.value()) {
    if (name.ends_with(kUnfinished)) ::unlink((directory_ + "/" + name).c_str());
  }
}

// Keeps the one just written and the newest of the others of this run.
void SnapshotStore::Prune(Offset written) const {
  const std::vector<Offset> offsets = List();
  bool kept_other = false;
  for (auto it = offsets.rbegin(); it != offsets.rend(); ++it) {
    if (*it == written) continue;
    if (!kept_other && ReadOne(*it).ok()) {
      kept_other = true;
    } else {
      ::unlink(PathOf(*it).c_str());
    }
  }
}

Result<Snapshot> SnapshotStore::ReadOne(Offset offset) const {
  const std::string path = PathOf(offset);
  NDCAO_ASSIGN(const UniqueFd fd, OpenFile(path, O_RDONLY));
  NDCAO_ASSIGN(const std::uint64_t size, FileSize(fd, path));
  std::array<std::byte, kHeaderBytes> head{};
  NDCAO_ASSIGN(const std::size_t head_size, ReadAt(fd, path, 0, head));
  NDCAO_ASSIGN(const Header header, DecodeHeader(std::span(head).first(head_size)));
  if (header.length != size - kHeaderBytes) return Corrupt("its length is wrong");
  Snapshot snapshot{header.offset, header.chain, std::vector<std::byte>(header.length)};
  NDCAO_ASSIGN(const std::size_t got, ReadAt(fd, path, kHeaderBytes, snapshot.bytes));
  if (got != header.length || Checksum(head, snapshot.bytes) != header.checksum) {
    return Corrupt("its checksum is wrong");
  }
  if (header.spec_hash != spec_hash_) return Corrupt("it is of another run");
  if (header.offset != offset) return Corrupt("its name is not its offset");
  return snapshot;
}

}  // namespace ndcao
