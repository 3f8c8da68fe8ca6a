#include "ndcao/journal/file/segment.h"

#include <gtest/gtest.h>

#include "ndcao/base/hash.h"
#include "ndcao/journal/codec.h"
#include "test_records.h"

namespace ndcao {
namespace {

TEST(Segment, HeaderRoundTrips) {
  const std::vector<std::byte> bytes = EncodeSegmentHeader({11, 22, 33});
  ASSERT_EQ(bytes.size(), kSegmentHeaderBytes);
  const Result<SegmentHeader> header = DecodeSegmentHeader(bytes);
  ASSERT_TRUE(header.ok());
  EXPECT_EQ(header.value().spec_hash, 11U);
  EXPECT_EQ(header.value().first, 22U);
  EXPECT_EQ(header.value().chain, 33U);
}

TEST(Segment, HeaderWithAnyByteChangedIsCorrupt) {
  const std::vector<std::byte> good = EncodeSegmentHeader({11, 22, 33});
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::vector<std::byte> bad = good;
    bad[i] ^= std::byte{0x10};
    const Result<SegmentHeader> header = DecodeSegmentHeader(bad);
    ASSERT_FALSE(header.ok()) << i;
    EXPECT_EQ(header.error().code(), ErrorCode::kCorrupt) << i;
  }
}

// Parsing a frame at another offset, cut short or with any bit of it changed never succeeds.
TEST(Segment, FrameIsWholeOnlyUnchangedAndAtItsOffset) {
  const std::vector<std::byte> payload = EncodeRecord(RecordOf(9));
  const std::vector<std::byte> good = EncodeFrame(5, payload);
  Frame frame;
  ASSERT_EQ(ParseFrame(good, 5, &frame), FrameState::kWhole);
  EXPECT_TRUE(std::ranges::equal(frame.payload, payload));
  EXPECT_EQ(frame.hash, Hash64(payload));
  EXPECT_EQ(frame.size(), good.size());
  EXPECT_EQ(ParseFrame(good, 6, &frame), FrameState::kBad);
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_EQ(ParseFrame(std::span(good).first(size), 5, &frame), FrameState::kPartial);
  }
  for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
    std::vector<std::byte> bad = good;
    bad[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_NE(ParseFrame(bad, 5, &frame), FrameState::kWhole) << bit;
  }
}

TEST(Segment, FindsAWholeFrameBehindDamageOfAnyLength) {
  std::vector<std::byte> bytes;
  std::vector<std::size_t> starts;
  for (Offset offset = 100; offset < 110; ++offset) {
    starts.push_back(bytes.size());
    const auto frame = EncodeFrame(offset, EncodeRecord(RecordOf(offset)));
    bytes.insert(bytes.end(), frame.begin(), frame.end());
  }
  for (std::size_t damaged = 0; damaged < 9; ++damaged) {
    bytes[starts[damaged]] ^= std::byte{0x40};  // The length: what follows must be searched for.
    const auto found = FindWholeFrame(bytes, 100);
    ASSERT_TRUE(found);
    EXPECT_EQ(*found, starts[damaged + 1]);
  }
  bytes.resize(bytes.size() - 1);
  EXPECT_FALSE(FindWholeFrame(std::span(bytes).subspan(starts[9]), 109));
  EXPECT_FALSE(FindWholeFrame({}, 0));
}

// A frame of an offset that cannot stand there (too far ahead, or earlier) is not one of these.
TEST(Segment, FindsNoFrameOfAnotherPlace) {
  std::vector<std::byte> bytes(20);
  const auto frame = EncodeFrame(1000, EncodeRecord(RecordOf(1)));
  bytes.insert(bytes.end(), frame.begin(), frame.end());
  EXPECT_TRUE(FindWholeFrame(bytes, 1000));
  EXPECT_FALSE(FindWholeFrame(bytes, 990));
  EXPECT_FALSE(FindWholeFrame(bytes, 1001));
}

TEST(Segment, NamesRoundTripAndOthersAreIgnored) {
  EXPECT_EQ(SegmentName(42), "00000000000000000042.log");
  EXPECT_EQ(ParseSegmentName("00000000000000000042.log"), Offset{42});
  for (const char* name :
       {"lock", "42.log", "0000000000000000004x.log", ".log", "", "00000000000000000042.tmp",
        "-0000000000000000042.log", "99999999999999999999.log"}) {
    EXPECT_FALSE(ParseSegmentName(name)) << name;
  }
}

}  // namespace
}  // namespace ndcao
