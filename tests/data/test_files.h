// Hand-made files in a directory that goes away with the test.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <zlib.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "ndcao/base/result.h"

namespace ndcao {

using Bytes = std::vector<std::uint8_t>;

class TempDirectory {
 public:
  TempDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "ndcao_data_XXXXXX").string();
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    path_ = pattern;
  }
  ~TempDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

  /// Both write a file, with the directories above it, and return its path.
  std::string Write(const std::string& name, const Bytes& bytes) const {
    const std::string path = Prepare(name);
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    return path;
  }
  std::string WriteGzip(const std::string& name, const Bytes& bytes) const {
    const std::string path = Prepare(name);
    gzFile file = gzopen(path.c_str(), "wb");
    EXPECT_EQ(gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size())),
              static_cast<int>(bytes.size()));
    EXPECT_EQ(gzclose(file), Z_OK);
    return path;
  }

 private:
  std::string Prepare(const std::string& name) const {
    const std::filesystem::path path = std::filesystem::path(path_) / name;
    std::filesystem::create_directories(path.parent_path());
    return path.string();
  }

  std::string path_;
};

inline Bytes ToBytes(const std::string& text) { return Bytes(text.begin(), text.end()); }

/// An IDX file of unsigned bytes.
inline Bytes MakeIdx(const std::vector<std::uint32_t>& dimensions, const Bytes& values) {
  Bytes bytes = {0, 0, 8, static_cast<std::uint8_t>(dimensions.size())};
  for (const std::uint32_t dimension : dimensions) {
    for (int shift = 24; shift >= 0; shift -= 8) {
      bytes.push_back(static_cast<std::uint8_t>(dimension >> shift));
    }
  }
  bytes.insert(bytes.end(), values.begin(), values.end());
  return bytes;
}

/// `result` failed for a reason that the user can mend, and says `text`.
template <typename T>
void ExpectInvalid(const T& result, const std::string& text) {
  ASSERT_FALSE(result.ok()) << "expected an error that says: " << text;
  EXPECT_EQ(result.error().code(), ErrorCode::kInvalid);
  EXPECT_THAT(result.error().message(), testing::HasSubstr(text));
}

}  // namespace ndcao
