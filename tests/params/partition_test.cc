#include <gtest/gtest.h>
// rapidcheck's adapter needs gtest first.
#include <rapidcheck/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "ndcao/params/partition.h"

namespace ndcao {
namespace {

Layout TestLayout() {
  Layout layout;
  layout.Add("conv.weight", {3, 2, 2});
  layout.Add("conv.bias", {3});
  layout.Add("fc.weight", {4, 5});
  layout.Add("fc.bias", {4});
  return layout;
}

std::vector<int> Owners(const Partition& partition) {
  std::vector<int> owners(partition.size(), -1);
  for (std::size_t b = 0; b < partition.blocks().size(); ++b) {
    for (const Run& run : partition.blocks()[b].slice.runs()) {
      for (std::uint64_t i = run.global; i < run.global + run.length; ++i) {
        EXPECT_EQ(owners[i], -1) << "parameter " << i << " has two blocks";
        owners[i] = static_cast<int>(b);
      }
    }
  }
  return owners;
}

RC_GTEST_PROP(PartitionTest, EveryKindIsDisjointAndComplete, (std::uint64_t seed)) {
  Layout layout;
  const auto tensors = *rc::gen::inRange(1, 6);
  for (int t = 0; t < tensors; ++t) {
    layout.Add("layer" + std::to_string(t / 2) + (t % 2 == 0 ? ".weight" : ".bias"),
               {*rc::gen::inRange(1, 9), *rc::gen::inRange(1, 9)});
  }
  const auto number = *rc::gen::inRange(1, 40);
  const std::string kind = *rc::gen::element<std::string>("single", "tensor", "layer", "unit",
                                                          "size:" + std::to_string(number),
                                                          "random:" + std::to_string(number));
  const Result<Partition> partition = MakePartition(kind, "", layout, seed);
  RC_ASSERT(partition.ok());
  for (const int owner : Owners(partition.value())) RC_ASSERT(owner >= 0);
  const Result<Partition> again = ParsePartition(FormatPartition(partition.value()), layout.size());
  RC_ASSERT(again.ok());
  RC_ASSERT(Owners(again.value()) == Owners(partition.value()));
}

TEST(PartitionTest, KindsFollowTheLayout) {
  const Layout layout = TestLayout();
  EXPECT_EQ(MakePartition("single", "", layout, 1).value().blocks().size(), 1u);
  EXPECT_EQ(MakePartition("tensor", "", layout, 1).value().blocks().size(), 4u);
  EXPECT_EQ(MakePartition("layer", "", layout, 1).value().blocks().size(), 2u);
  const Partition units = MakePartition("unit", "", layout, 1).value();
  ASSERT_EQ(units.blocks().size(), 7u);
  // Filter 1 of conv: its 4 weights and its bias.
  EXPECT_EQ(units.blocks()[1].name, "conv[1]");
  EXPECT_EQ(units.blocks()[1].slice.runs(), (std::vector<ndcao::Run>{{4, 4, 4}, {13, 13, 1}}));
}

TEST(PartitionTest, PatternsMustMatchEveryTensorOnce) {
  const Layout layout = TestLayout();
  const auto make = [&](const std::string& text) {
    return MakePartition("pattern", text, layout, 1);
  };
  const auto good = make("conv\\..* = first  # both tensors\n\nfc.* = second\n");
  ASSERT_TRUE(good.ok()) << good.error().message();
  EXPECT_EQ(good.value().blocks()[0].name, "first");
  EXPECT_NE(make("conv.* = a").error().message().find("fc.weight, fc.bias"), std::string::npos);
  EXPECT_NE(make(".* = a\nfc.* = b").error().message().find("matches two patterns"),
            std::string::npos);
  EXPECT_NE(make("conv.*").error().message().find("line 1"), std::string::npos);
  EXPECT_NE(make("( = a").error().message().find("bad regular expression"), std::string::npos);
  EXPECT_FALSE(make("").ok());
}

TEST(PartitionTest, BadInputsAreNamed) {
  const Layout layout = TestLayout();
  EXPECT_NE(MakePartition("columns", "", layout, 1).error().message().find("allowed: single"),
            std::string::npos);
  EXPECT_FALSE(MakePartition("size:0", "", layout, 1).ok());
  EXPECT_FALSE(MakePartition("random:-3", "", layout, 1).ok());
  EXPECT_FALSE(ParsePartition("a: 0-20\nb: 19-39", 39).ok());
  EXPECT_FALSE(ParsePartition("a: 0-20", 39).ok());
  EXPECT_FALSE(ParsePartition("a: 0-40", 39).ok());
  EXPECT_FALSE(ParsePartition("a: 5-3", 39).ok());
}

TEST(SliceTest, MergeJoinsNeighboursAndPackedKeepsGlobalIndices) {
  const Slice a({{0, 0, 2}, {6, 6, 1}});
  const Slice b({{2, 2, 3}});
  EXPECT_EQ(Merge({&a, &b}).runs(), (std::vector<ndcao::Run>{{0, 0, 5}, {6, 6, 1}}));
  EXPECT_EQ(Merge({&a, &b}).Packed().runs(), (std::vector<ndcao::Run>{{0, 0, 5}, {6, 5, 1}}));
}

// A block met with a part of θ: the parameters of both, where the part stores them.
RC_GTEST_PROP(SliceTest, TheIntersectionIsWhatBothHold, ()) {
  const auto subset = [] {
    std::vector<Run> runs;
    for (std::uint64_t i = *rc::gen::inRange(0, 5); i < 40; i += *rc::gen::inRange(1, 7)) {
      const std::uint64_t length = *rc::gen::inRange(1, 6);
      runs.push_back({i, i, length});
      i += length;
    }
    return Slice(runs);
  };
  const Slice block = subset();
  const Slice part = subset().Packed();
  const auto places = [](const Slice& slice) {
    std::map<std::uint64_t, std::uint64_t> at;  // global to local
    for (const Run& run : slice.runs()) {
      for (std::uint64_t i = 0; i < run.length; ++i) at[run.global + i] = run.local + i;
    }
    return at;
  };
  std::map<std::uint64_t, std::uint64_t> expected = places(part);
  const auto in_block = places(block);
  std::erase_if(expected, [&](const auto& entry) { return !in_block.contains(entry.first); });
  RC_ASSERT(places(Intersect(block, part)) == expected);
}

}  // namespace
}  // namespace ndcao
