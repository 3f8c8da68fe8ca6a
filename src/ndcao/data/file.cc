#include "ndcao/data/file.h"

#include <fmt/format.h>
#include <zlib.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace ndcao {
namespace {

struct CloseGzip {
  void operator()(gzFile file) const { gzclose_r(file); }
};
using GzipFile = std::unique_ptr<gzFile_s, CloseGzip>;

Error CannotRead(const std::string& path, gzFile file) {
  int code = Z_OK;
  const char* text = gzerror(file, &code);
  if (code == Z_ERRNO) text = std::strerror(errno);
  if (code == Z_BUF_ERROR) text = "the compressed data ends too early";
  return Invalid(fmt::format("file '{}' cannot be read: {}", path, text));
}

}  // namespace

Result<std::vector<std::uint8_t>> ReadFile(const std::string& path, std::uint64_t limit) {
  constexpr unsigned kChunk = 1u << 20;
  errno = 0;
  GzipFile file(gzopen(path.c_str(), "rb"));
  if (!file) {
    return Invalid(fmt::format("file '{}' cannot be opened: {}", path,
                               errno == 0 ? "out of memory" : std::strerror(errno)));
  }
  gzbuffer(file.get(), kChunk / 4);
  std::vector<std::uint8_t> contents;
  std::size_t size = 0;
  for (;;) {
    if (contents.size() < size + kChunk) contents.resize(2 * size + kChunk);
    const int read = gzread(file.get(), contents.data() + size, kChunk);
    if (read < 0) return CannotRead(path, file.get());
    if (read == 0) break;
    size += static_cast<std::size_t>(read);
    if (size > limit) {
      return Invalid(fmt::format("file '{}' holds more than the {} bytes allowed", path, limit));
    }
  }
  int code = Z_OK;
  gzerror(file.get(), &code);
  if (code != Z_OK && code != Z_STREAM_END) return CannotRead(path, file.get());
  contents.resize(size);
  return contents;
}

}  // namespace ndcao
