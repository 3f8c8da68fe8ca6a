#include "ndcao/journal/file/write_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "ndcao/journal/file/posix.h"

namespace ndcao {
namespace {

class PosixWriteFile : public WriteFile {
 public:
  PosixWriteFile(std::string path, UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}

  Status WriteAt(std::uint64_t position, std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      const ssize_t count =
          ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(position));
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return IoError("write", path_, count < 0 ? errno : ENOSPC);
      bytes = bytes.subspan(static_cast<std::size_t>(count));
      position += static_cast<std::uint64_t>(count);
    }
    return Ok();
  }

  Status Truncate(std::uint64_t size) override {
    while (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0) {
      if (errno != EINTR) return IoError("truncate", path_, errno);
    }
    return Ok();
  }

  Status Sync() override {
    while (::fdatasync(fd_.get()) != 0) {
      if (errno != EINTR) return IoError("sync", path_, errno);
    }
    return Ok();
  }

 private:
  std::string path_;
  UniqueFd fd_;
};

}  // namespace

Result<std::unique_ptr<WriteFile>> OpenWriteFile(const std::string& path, IfMissing if_missing) {
  const int flags = if_missing == IfMissing::kCreate ? O_CREAT | O_EXCL : 0;
  NDCAO_ASSIGN(UniqueFd fd, OpenFile(path, O_WRONLY | flags));
  return std::unique_ptr<WriteFile>(new PosixWriteFile(path, std::move(fd)));
}

}  // namespace ndcao
