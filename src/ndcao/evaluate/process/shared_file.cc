#include "ndcao/evaluate/process/shared_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace ndcao {
namespace {

std::string Template() {
  std::error_code error;
  if (access("/dev/shm", W_OK) == 0) return "/dev/shm/ndcao-params-XXXXXX";
  const auto folder = std::filesystem::temp_directory_path(error);
  return (error ? std::string("/tmp") : folder.string()) + "/ndcao-params-XXXXXX";
}

}  // namespace

Result<std::unique_ptr<SharedFile>> SharedFile::Create(std::uint64_t count) {
  std::string path = Template();
  const int file = mkostemp(path.data(), O_CLOEXEC);
  if (file < 0) return Failed(fmt::format("cannot create {}: {}", path, std::strerror(errno)));
  const std::size_t bytes = count * sizeof(float);
  void* memory = MAP_FAILED;
  // Reserved now, so that a full disk is an error here and not a signal later.
  int error = posix_fallocate(file, 0, static_cast<off_t>(bytes));
  if (error == 0) {
    memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED) error = errno;
  }
  close(file);
  if (error != 0) {
    unlink(path.c_str());
    return Failed(fmt::format("cannot map {} bytes of {}: {}", bytes, path, std::strerror(error)));
  }
  return std::unique_ptr<SharedFile>(
      new SharedFile(std::move(path), {static_cast<float*>(memory), count}));
}

SharedFile::~SharedFile() {
  munmap(values_.data(), values_.size_bytes());
  unlink(path_.c_str());
}

}  // namespace ndcao
