#include <gtest/gtest.h>

#include <array>

#include "ndcao/base/bytes.h"
#include "ndcao/base/hash.h"
#include "ndcao/base/ids.h"
#include "ndcao/base/result.h"
#include "ndcao/base/toml_text.h"

namespace ndcao {
namespace {

Result<int> Half(int x) {
  if (x % 2 != 0) return Invalid("odd");
  return x / 2;
}

Result<int> Quarter(int x) {
  NDCAO_ASSIGN(const int half, Half(x));
  return Half(half);
}

TEST(ResultTest, CarriesTheValueOrTheFirstError) {
  EXPECT_EQ(Quarter(8).value(), 2);
  EXPECT_EQ(Quarter(6).error().message(), "odd");
  EXPECT_EQ(Quarter(3).error().Context("quarter").message(), "quarter: odd");
  EXPECT_EQ(Quarter(3).error().Context("quarter").code(), ErrorCode::kInvalid);
}

TEST(TrialIdTest, SyncAndAsyncNumbersComeBack) {
  const TrialId sync = TrialId::Sync(123456789, 3);
  EXPECT_FALSE(sync.is_async());
  EXPECT_EQ(sync.round(), 123456789u);
  EXPECT_EQ(sync.slot(), 3u);
  const TrialId async = TrialId::Async(70000, 1u << 31);
  EXPECT_TRUE(async.is_async());
  EXPECT_EQ(async.worker(), 70000u);
  EXPECT_EQ(async.counter(), 1u << 31);
}

TEST(BytesTest, WhatIsWrittenIsReadAndAShortReadStaysFailed) {
  ByteWriter out;
  out.Put(std::uint32_t{7});
  out.PutString("seven");
  out.PutVector(std::vector<double>{1, 2, 3});
  ByteReader in(out.bytes());
  EXPECT_EQ(in.Get<std::uint32_t>(), 7u);
  EXPECT_EQ(in.GetString(), "seven");
  EXPECT_EQ(in.GetVector<double>(), (std::vector<double>{1, 2, 3}));
  EXPECT_TRUE(in.ok());
  EXPECT_EQ(in.remaining(), 0u);
  EXPECT_EQ(in.Get<std::uint64_t>(), 0u);
  EXPECT_FALSE(in.ok());
}

TEST(BytesTest, AnAbsurdLengthIsRefusedBeforeAnythingIsAllocated) {
  ByteWriter out;
  out.Put(std::uint64_t{1} << 60);
  ByteReader in(out.bytes());
  EXPECT_TRUE(in.GetVector<double>().empty());
  EXPECT_FALSE(in.ok());
}

TEST(HashTest, DigestOfKnownBytes) {
  // XXH3 of the empty input with seed 0, as published with xxHash.
  EXPECT_EQ(Hex(Hash64(std::string_view())), "2d06800538d394c2");
  EXPECT_EQ(DigestHex({}), "99aa06d3014798d86001c324468d497f");
  const std::array<float, 2> values = {1, 2};
  const std::array<float, 2> others = {1, 2.0000002f};
  EXPECT_NE(DigestHex(values), DigestHex(others));
}

TEST(TomlTest, ErrorsNameTheLine) {
  EXPECT_TRUE(ParseToml("a = 1").ok());
  const auto bad = ParseToml("a = 1\nb = = 2\n");
  ASSERT_FALSE(bad.ok());
  EXPECT_NE(bad.error().message().find("line 2"), std::string::npos) << bad.error().message();
}

}  // namespace
}  // namespace ndcao
