#include "ndcao/data/cifar10.h"

#include "test_files.h"

namespace ndcao {
namespace {

using testing::ElementsAre;

constexpr std::size_t kRecordBytes = 3073;

/// A record whose first byte of each plane is red, green, blue; the rest is 0.
Bytes MakeRecord(std::uint8_t label, std::uint8_t red, std::uint8_t green, std::uint8_t blue) {
  Bytes record(kRecordBytes, 0);
  record[0] = label;
  record[1] = red;
  record[1 + 1024] = green;
  record[1 + 2048] = blue;
  return record;
}

Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

TEST(ReadCifar10, JoinsTheFilesInOrder) {
  const TempDirectory directory;
  const auto part =
      ReadCifar10({directory.Write("a.bin", MakeRecord(3, 10, 20, 30) + MakeRecord(9, 1, 2, 3)),
                   directory.WriteGzip("b.bin.gz", MakeRecord(0, 4, 5, 6))});
  ASSERT_TRUE(part.ok()) << part.error().message();
  EXPECT_THAT(part.value().shape, ElementsAre(3, 32, 32));
  const Examples& examples = part.value().examples;
  EXPECT_THAT(examples.labels, ElementsAre(3, 9, 0));
  ASSERT_EQ(examples.bytes.size(), 3u * 3072);
  EXPECT_EQ(examples.bytes[0], 10);
  EXPECT_EQ(examples.bytes[1024], 20);
  EXPECT_EQ(examples.bytes[2048], 30);
  EXPECT_EQ(examples.bytes[2 * 3072 + 2048], 6);
}

TEST(ParseCifar10, RefusesOddSizesAndLabels) {
  Examples examples;
  ExpectInvalid(ParseCifar10(Bytes(), "f", &examples),
                "file 'f' has 0 bytes, a CIFAR-10 file a positive multiple of 3073");
  ExpectInvalid(ParseCifar10(Bytes(kRecordBytes - 1, 0), "f", &examples), "has 3072 bytes");
  ExpectInvalid(ParseCifar10(Bytes(kRecordBytes + 1, 0), "f", &examples), "has 3074 bytes");
  ExpectInvalid(ParseCifar10(MakeRecord(1, 0, 0, 0) + MakeRecord(10, 0, 0, 0), "f", &examples),
                "file 'f', record 1: label 10 is not in 0..9");
}

}  // namespace
}  // namespace ndcao
