#include "ndcao/partitioned/stage_file.h"

#include <gtest/gtest.h>
// rapidcheck's adapter needs gtest first.
#include <rapidcheck/gtest.h>

namespace ndcao {
namespace {

StageHead SomeHead() {
  StageHead head;
  head.stage = 2;
  head.stages = 3;
  head.split = 77;
  head.spec = "format = 2\n";
  head.layout.Add("fc1.weight", {4, 3});
  head.layout.Add("fc1.bias", {4});
  head.initial_digest = "digest";
  head.first = 12;
  head.parameters = 4;
  head.values_hash = 99;
  head.widest = 4;
  head.flow = {2, 100, {1, 1, 0}};
  head.model = {"mlp:3-4", "module", "eval", {1, 3}, 4, 0, 1, {3}, {4}};
  return head;
}

TEST(StageFileTest, WhatIsWrittenIsRead) {
  const StageHead head = SomeHead();
  const Result<StageHead> read = DecodeStageHead(EncodeStageHead(head));
  ASSERT_TRUE(read.ok());
  const StageHead& back = read.value();
  EXPECT_EQ(back.stage, 2u);
  EXPECT_EQ(back.stages, 3u);
  EXPECT_EQ(back.split, 77u);
  EXPECT_EQ(back.spec, head.spec);
  EXPECT_EQ(back.layout.size(), 16u);
  EXPECT_EQ(back.layout.tensors()[1].name, "fc1.bias");
  EXPECT_EQ(back.initial_digest, "digest");
  EXPECT_EQ(back.slice().runs(), (std::vector<ndcao::Run>{{12, 0, 4}}));
  EXPECT_EQ(back.values_hash, 99u);
  EXPECT_EQ(back.widest, 4u);
  EXPECT_EQ(back.model, head.model);
  EXPECT_EQ(back.flow, head.flow);
  EXPECT_EQ(back.first_tensor(), 1u);
  EXPECT_EQ(back.flow.SitesBefore(3), 2u);
}

TEST(StageFileTest, OtherFilesAndVersionsAreRefusedByName) {
  std::vector<std::byte> bytes = EncodeStageHead(SomeHead());
  bytes[8] = std::byte{1};
  EXPECT_NE(DecodeStageHead(bytes).error().message().find("version 1"), std::string::npos);
  bytes[0] = std::byte{'X'};
  EXPECT_NE(DecodeStageHead(bytes).error().message().find("not a stage file"), std::string::npos);
}

TEST(StageFileTest, AStageBeyondTheNetworkIsRefused) {
  StageHead head = SomeHead();
  head.first = 13;  // 13 + 4 of 16
  EXPECT_FALSE(DecodeStageHead(EncodeStageHead(head)).ok());
  head = SomeHead();
  head.flow.probed = {1};  // of three stages
  EXPECT_FALSE(DecodeStageHead(EncodeStageHead(head)).ok());
  head = SomeHead();
  head.stage = 4;
  EXPECT_FALSE(DecodeStageHead(EncodeStageHead(head)).ok());
}

RC_GTEST_PROP(StageFileTest, DamageIsFound, ()) {
  std::vector<std::byte> bytes = EncodeStageHead(SomeHead());
  const auto at = *rc::gen::inRange<std::size_t>(0, bytes.size());
  RC_PRE(at < 12 || at >= 16);  // unused
  bytes[at] ^= std::byte{*rc::gen::inRange<std::uint8_t>(1, 255)};
  RC_ASSERT(!DecodeStageHead(bytes).ok());
}

}  // namespace
}  // namespace ndcao
