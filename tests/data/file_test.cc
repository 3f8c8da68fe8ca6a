#include "ndcao/data/file.h"

#include "test_files.h"

namespace ndcao {
namespace {

TEST(ReadFile, PlainAndGzipGiveTheSameBytes) {
  const TempDirectory directory;
  Bytes bytes(3'000'000);  // more than one chunk
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::uint8_t>(i * i >> 7);
  }
  const auto plain = ReadFile(directory.Write("plain", bytes));
  const auto packed = ReadFile(directory.WriteGzip("packed.gz", bytes));
  ASSERT_TRUE(plain.ok() && packed.ok());
  EXPECT_EQ(plain.value(), bytes);
  EXPECT_EQ(packed.value(), bytes);
}

TEST(ReadFile, EmptyFileIsNoBytes) {
  const TempDirectory directory;
  const auto contents = ReadFile(directory.Write("empty", {}));
  ASSERT_TRUE(contents.ok());
  EXPECT_TRUE(contents.value().empty());
}

TEST(ReadFile, MissingFileIsNamed) {
  const TempDirectory directory;
  ExpectInvalid(ReadFile(directory / "none"),
                "file '" + directory / "none" + "' cannot be opened: No such file or directory");
}

TEST(ReadFile, DirectoryIsNoFile) {
  const TempDirectory directory;
  ExpectInvalid(ReadFile(directory.path()), "cannot be read: Is a directory");
}

TEST(ReadFile, GzipThatEndsEarly) {
  const TempDirectory directory;
  Bytes bytes(100'000);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::uint8_t>(i * i >> 7);
  }
  const std::string path = directory.WriteGzip("cut.gz", bytes);
  const auto whole = std::filesystem::file_size(path);
  for (const auto size : {whole / 2, whole - 1, std::uintmax_t{20}}) {
    std::filesystem::resize_file(path, size);
    ExpectInvalid(ReadFile(path), "cut.gz' cannot be read: the compressed data ends too early");
    directory.WriteGzip("cut.gz", bytes);
  }
}

TEST(ReadFile, GzipWithAFlippedByte) {
  const TempDirectory directory;
  const std::string path = directory.WriteGzip("bad.gz", Bytes(100'000, 7));
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(std::filesystem::file_size(path)) - 8);
  file.put('\x55');  // in the checksum
  file.close();
  ExpectInvalid(ReadFile(path), "bad.gz' cannot be read: ");
}

TEST(ReadFile, SmallArchiveOfAHugeFileIsRefused) {
  const TempDirectory directory;
  const std::string path = directory.WriteGzip("huge.gz", Bytes(5'000'000, 0));
  ASSERT_LT(std::filesystem::file_size(path), 10'000u);
  ExpectInvalid(ReadFile(path, 4'999'999), "holds more than the 4999999 bytes allowed");
  EXPECT_TRUE(ReadFile(path, 5'000'000).ok());
}

}  // namespace
}  // namespace ndcao
