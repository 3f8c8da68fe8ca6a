#include "ndcao/data/idx.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "test_files.h"

namespace ndcao {
namespace {

using testing::ElementsAre;

TEST(ParseIdx, ReadsDimensionsAndValues) {
  const auto array = ParseIdx(MakeIdx({2, 1, 3}, {1, 2, 3, 4, 5, 255}), "f");
  ASSERT_TRUE(array.ok());
  EXPECT_THAT(array.value().dimensions, ElementsAre(2, 1, 3));
  EXPECT_THAT(array.value().values, ElementsAre(1, 2, 3, 4, 5, 255));
}

RC_GTEST_PROP(ParseIdx, InvertsTheEncoding, ()) {
  const auto extent = rc::gen::inRange<std::uint32_t>(1, 6);
  const auto dimensions = *rc::gen::suchThat(
      rc::gen::container<std::vector<std::uint32_t>>(extent),
      [](const auto& extents) { return !extents.empty() && extents.size() < 6; });
  std::size_t count = 1;
  for (const std::uint32_t dimension : dimensions) count *= dimension;
  const auto values = *rc::gen::container<Bytes>(count, rc::gen::arbitrary<std::uint8_t>());
  const auto array = ParseIdx(MakeIdx(dimensions, values), "f");
  RC_ASSERT(array.ok());
  RC_ASSERT(array.value().dimensions == dimensions);
  RC_ASSERT(array.value().values == values);
}

RC_GTEST_PROP(ParseIdx, NoBytesCrashIt, (const Bytes& tail)) {
  Bytes bytes = {0, 0, 8};
  bytes.insert(bytes.end(), tail.begin(), tail.end());
  (void)ParseIdx(bytes, "f").ok();
  (void)ParseIdx(tail, "f").ok();
}

struct BadIdx {
  Bytes bytes;
  std::string message;
};

TEST(ParseIdx, RefusesWhatIsNoIdxFile) {
  const std::vector<BadIdx> cases = {
      {{}, "file 'f' has 0 bytes, an IDX file has at least 8"},
      {{0, 0, 8}, "file 'f' has 3 bytes"},
      {ToBytes("PK\x03\x04 and more"), "starts with the bytes 50 4b, an IDX file with 00 00"},
      {{0, 0, 0x0d, 1, 0, 0, 0, 1, 0, 0, 0, 0}, "values of the IDX type 0x0d"},
      {{0, 0, 8, 0}, "says it has 0 dimensions"},
      {{0, 0, 8, 2, 0, 0, 0, 1}, "is truncated: 8 bytes, but the header for 2 dimensions"},
      {{0, 0, 8, 255, 1, 2, 3}, "the header for 255 dimensions alone takes 1024"},
      {MakeIdx({2, 0, 3}, {}), "is empty: dimension 2 of 3 is 0"},
      {MakeIdx({2, 3}, {1, 2, 3, 4, 5}),
       "is truncated: 5 bytes follow its header, but its dimensions 2 x 3 take 6"},
      {MakeIdx({2, 3}, {1, 2, 3, 4, 5, 6, 7, 8}),
       "has bytes too many: 8 bytes follow its header, but its dimensions 2 x 3 take 6"},
      {MakeIdx({0xffffffff, 2}, {1}), "its dimensions 4294967295 x 2 take 8589934590"},
      // 2^32 · 2^32 would wrap to 0, and 2^22 · 2^21 · 2^21 · 3 to 0 as well.
      {MakeIdx({0x80000000, 0x80000000, 4}, {}), "2147483648 x 4 take 2^64 or more"},
      {MakeIdx({1u << 22, 1u << 21, 1u << 21, 3}, {}), "take 2^64 or more"},
  };
  for (const BadIdx& bad : cases) ExpectInvalid(ParseIdx(bad.bytes, "f"), bad.message);
}

TEST(ReadIdxExamples, ShapesByRank) {
  const TempDirectory directory;
  const std::string labels = directory.WriteGzip("labels.gz", MakeIdx({2}, {9, 4}));
  const Bytes twelve = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 255};
  const auto shape = [&](const std::vector<std::uint32_t>& dimensions) {
    const auto part =
        ReadIdxExamples(directory.Write("images", MakeIdx(dimensions, twelve)), labels);
    EXPECT_TRUE(part.ok()) << part.error().message();
    EXPECT_EQ(part.value().examples.bytes, twelve);
    EXPECT_THAT(part.value().examples.labels, ElementsAre(9, 4));
    return part.value().shape;
  };
  EXPECT_THAT(shape({2, 2, 3}), ElementsAre(1, 2, 3));
  EXPECT_THAT(shape({2, 3, 1, 2}), ElementsAre(3, 1, 2));
  EXPECT_THAT(shape({2, 6}), ElementsAre(6));
}

TEST(ReadIdxExamples, RefusesFilesThatDoNotFit) {
  const TempDirectory directory;
  const std::string images = directory.Write("images", MakeIdx({2, 1, 2}, {1, 2, 3, 4}));
  const std::string labels = directory.Write("labels", MakeIdx({2}, {0, 1}));
  const std::string three = directory.Write("three", MakeIdx({3}, {0, 1, 2}));
  ExpectInvalid(ReadIdxExamples(images, three),
                "file '" + images + "' holds 2 images, but '" + three + "' holds 3 labels");
  ExpectInvalid(ReadIdxExamples(labels, labels), "has 1 dimensions, images have 2, 3 or 4");
  ExpectInvalid(ReadIdxExamples(images, images), "has 3 dimensions, labels have 1");
  ExpectInvalid(ReadIdxExamples(directory / "none", labels), "cannot be opened");
}

}  // namespace
}  // namespace ndcao
