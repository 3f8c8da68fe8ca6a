#include "ndcao/journal/file/posix.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

namespace ndcao {
namespace {

constexpr int kFileMode = 0644;

bool IsAboutThePath(int code) {
  return code == ENOENT || code == ENOTDIR || code == EACCES || code == EPERM || code == EROFS ||
         code == EISDIR || code == EEXIST || code == ENAMETOOLONG || code == ELOOP;
}

}  // namespace

UniqueFd::~UniqueFd() {
  if (fd_ >= 0) ::close(fd_);
}

Error IoError(const std::string& action, const std::string& path, int code) {
  const ErrorCode kind = IsAboutThePath(code) ? ErrorCode::kInvalid : ErrorCode::kFailed;
  return {kind,
          fmt::format("cannot {} '{}': {}", action, path, std::generic_category().message(code))};
}

Result<UniqueFd> OpenFile(const std::string& path, int flags) {
  UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC, kFileMode));
  if (!fd.valid()) return IoError((flags & O_CREAT) != 0 ? "create" : "open", path, errno);
  return fd;
}

Result<UniqueFd> OpenIfExists(const std::string& path, int flags) {
  UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC));
  if (!fd.valid() && errno != ENOENT) return IoError("open", path, errno);
  return fd;
}

Result<std::size_t> ReadAt(const UniqueFd& fd, const std::string& path, std::uint64_t position,
                           std::span<std::byte> into) {
  std::size_t done = 0;
  while (done < into.size()) {
    const ssize_t count = ::pread(fd.get(), into.data() + done, into.size() - done,
                                  static_cast<off_t>(position + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return IoError("read", path, errno);
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  return done;
}

Status WriteAll(const UniqueFd& fd, const std::string& path, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd.get(), bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return IoError("write", path, count < 0 ? errno : ENOSPC);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return Ok();
}

Result<std::uint64_t> FileSize(const UniqueFd& fd, const std::string& path) {
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return IoError("stat", path, errno);
  return static_cast<std::uint64_t>(info.st_size);
}

Status SyncDirectory(const std::string& path) {
  NDCAO_ASSIGN(const UniqueFd fd, OpenFile(path, O_RDONLY | O_DIRECTORY));
  // Some file systems cannot sync a directory and say so with EINVAL.
  if (::fsync(fd.get()) != 0 && errno != EINVAL) return IoError("sync", path, errno);
  return Ok();
}

Status MakeDirectories(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return IoError("create the directory", path, error.value());
  return Ok();
}

Result<std::vector<std::string>> ListDirectory(const std::string& path) {
  std::error_code error;
  std::vector<std::string> names;
  for (std::filesystem::directory_iterator it(path, error), end; !error && it != end;
       it.increment(error)) {
    names.push_back(it->path().filename().string());
  }
  if (error) return IoError("list the directory", path, error.value());
  return names;
}

}  // namespace ndcao
