#include "ndcao/journal/codec.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <limits>

#include "test_records.h"

namespace ndcao {
namespace {

RC_GTEST_PROP(Codec, RoundTripsEveryRecordBitForBit, ()) {
  const Record record = *AnyRecord();
  const std::vector<std::byte> payload = EncodeRecord(record);
  const Result<Record> decoded = DecodeRecord(payload);
  RC_ASSERT(decoded.ok());
  RC_ASSERT(decoded.value().index() == record.index());
  RC_ASSERT(EncodeRecord(decoded.value()) == payload);
}

RC_GTEST_PROP(Codec, RefusesEveryShorterAndLongerPayload, ()) {
  std::vector<std::byte> payload = EncodeRecord(*AnyRecord());
  for (std::size_t size = 0; size < payload.size(); ++size) {
    const Result<Record> decoded = DecodeRecord(std::span(payload).first(size));
    RC_ASSERT(!decoded.ok());
    RC_ASSERT(decoded.error().code() == ErrorCode::kCorrupt);
  }
  payload.push_back(std::byte{0});
  RC_ASSERT(!DecodeRecord(payload).ok());
}

RC_GTEST_PROP(Codec, SurvivesArbitraryBytes, (std::vector<std::uint8_t> bytes)) {
  if (!bytes.empty()) bytes[0] %= 10;
  const Result<Record> decoded = DecodeRecord(std::as_bytes(std::span(bytes)));
  if (!decoded.ok()) return;
  const std::vector<std::byte> again = EncodeRecord(decoded.value());
  RC_ASSERT(std::ranges::equal(again, std::as_bytes(std::span(bytes))));
}

TEST(Codec, RoundTripsEachTypeByValue) {
  for (std::uint64_t i = 0; i < std::variant_size_v<Record>; ++i) {
    const Record record = RecordOf(i);
    EXPECT_EQ(record.index(), i);
    const Result<Record> decoded = DecodeRecord(EncodeRecord(record));
    ASSERT_TRUE(decoded.ok()) << decoded.error().message();
    EXPECT_TRUE(decoded.value() == record) << i;
  }
}

TEST(Codec, KeepsTheLargestGroup) {
  const Record record = GroupOf(1, std::numeric_limits<std::uint16_t>::max());
  const Result<Record> decoded = DecodeRecord(EncodeRecord(record));
  ASSERT_TRUE(decoded.ok());
  EXPECT_TRUE(decoded.value() == record);
}

// The bytes are a contract (docs/formats/journal.md): this is a join of "ab".
TEST(Codec, WritesTheDocumentedBytes) {
  const std::vector<std::byte> expected = {std::byte{2},  std::byte{2}, std::byte{0},
                                           std::byte{0},  std::byte{0}, std::byte{'a'},
                                           std::byte{'b'}};
  EXPECT_EQ(EncodeRecord(JoinRecord{"ab"}), expected);
  EXPECT_EQ(EncodeRecord(GroupOf(1, 16)).size(), 39U + 16 * 4);
}

TEST(Codec, NamesAnUnknownType) {
  const std::vector<std::byte> payload = {std::byte{200}};
  const Result<Record> decoded = DecodeRecord(payload);
  ASSERT_FALSE(decoded.ok());
  EXPECT_NE(decoded.error().message().find("200"), std::string::npos);
}

}  // namespace
}  // namespace ndcao
