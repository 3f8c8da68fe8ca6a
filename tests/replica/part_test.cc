// A replica that holds a part of θ: a stage of a partitioned run.
#include <gtest/gtest.h>
// rapidcheck's adapter needs gtest first.
#include <rapidcheck/gtest.h>

#include "fold_driver.h"
#include "ndcao/replica/block_clocks.h"

namespace ndcao {
namespace {

RunSpec SpecFor(bool async) {
  RunSpec spec = QuadraticSpec(60);
  spec.mode = async ? RunMode::kAsync : RunMode::kSync;
  if (async) spec.clock.stretches = {{9, 1}, {23, 4}};
  spec.clock.greatest = async ? 4 : 1;
  return spec;
}

// Whatever stretch of θ it is, and wherever it cuts blocks.
RC_GTEST_PROP(PartTest, AStretchFoldsToTheSameBitsAsInAWholeReplica, (bool async)) {
  RunSpec spec = SpecFor(async);
  spec.blocks = *rc::gen::element<std::string>("single", "tensor", "size:3", "random:5", "unit");
  const Layout layout = QuadraticLayout(23);
  Replica whole = NewReplica(spec, layout);
  const std::vector<Record> records = RunAll(whole);

  const auto begin = *rc::gen::inRange<std::uint64_t>(0, 23);
  const auto length = *rc::gen::inRange<std::uint64_t>(1, 24 - begin);
  const Slice part({{begin, 0, length}});
  Replica alone = Replica::Create(spec, layout, ParameterVector(length, 0.0f), part).value();
  Fold(alone, JoinRecord{"test"});
  for (std::size_t i = 0; i < records.size() / 2; ++i) Fold(alone, records[i]);
  // Through a snapshot, as a stage that was killed.
  const std::vector<std::byte> kept = alone.Snapshot();
  Replica restored = Replica::Restore(spec, layout, kept, part).value();
  for (std::size_t i = records.size() / 2; i < records.size(); ++i) Fold(restored, records[i]);

  RC_ASSERT(restored.parameters()->size() == length);
  for (std::uint64_t i = 0; i < length; ++i) {
    RC_ASSERT((*restored.parameters())[i] == (*whole.parameters())[begin + i]);
  }
}

TEST(PartTest, APieceOfABlockOfCaoIsRefused) {
  RunSpec spec = QuadraticSpec(60);
  spec.options = DefaultsFor("cao").value().options;
  spec.shape = DefaultsFor("cao").value().shape;
  spec.blocks = "tensor";
  const Layout layout = QuadraticLayout(20);
  const Slice block({{0, 0, 10}});
  const Slice piece({{0, 0, 9}});
  EXPECT_TRUE(Replica::Create(spec, layout, ParameterVector(10, 0.0f), block).ok());
  const auto refused = Replica::Create(spec, layout, ParameterVector(9, 0.0f), piece);
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message().find("'a.weight'"), std::string::npos);
}

TEST(PartTest, ABlocksPeriodFollowsFromWhereItBegins) {
  ClockOptions options;
  options.greatest = 10;
  options.stretches = {{100, 2}, {200, 10}};
  const BlockClocks clocks(1, options, {0, 99, 100, 199});
  EXPECT_EQ(clocks.period(0), 2u);
  EXPECT_EQ(clocks.period(1), 2u);
  EXPECT_EQ(clocks.period(2), 10u);
  EXPECT_EQ(clocks.period(3), 10u);
}

TEST(PartTest, ClocksOfBlocksThatDoNotExistAreNotLoaded) {
  for (const std::uint32_t block : {1u, 2u}) {
    ByteWriter out;
    out.Put(std::uint64_t{5});  // now
    out.Put(std::uint64_t{1});  // events
    out.Put(std::uint64_t{7});  // when
    out.Put(block);
    BlockClocks clocks(1, {ClockKind::kFixed, 4, 4, {}}, {0, 10});
    ByteReader in(out.bytes());
    clocks.Load(in);
    EXPECT_EQ(in.ok(), block == 1);
  }
}

TEST(PartTest, StretchesAreInTheSpecsText) {
  const RunSpec spec = SpecFor(true);
  EXPECT_EQ(ParseRunSpec(FormatRunSpec(spec)).value(), spec);
  EXPECT_EQ(FormatRunSpec(SpecFor(false)).find("clock_stretch"), std::string::npos);
}

TEST(BlockClocksTest, NoBlockWaitsLongerThanTheLongestWait) {
  const std::vector<std::uint64_t> keys = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  for (const ClockKind kind : {ClockKind::kFixed, ClockKind::kPoisson, ClockKind::kHeavy}) {
    const ClockOptions options{kind, 1, 10, {}};
    BlockClocks clocks(3, options, keys);
    std::vector<std::uint64_t> last(keys.size(), 0);
    std::uint64_t longest = 0;
    for (std::uint64_t group = 1; group <= 5000; ++group) {
      for (const std::uint32_t block : clocks.Tick()) {
        longest = std::max(longest, group - last[block]);
        last[block] = group;
      }
    }
    EXPECT_LE(longest, LongestWait(options));
    EXPECT_GT(2 * longest, LongestWait(options));
  }
  EXPECT_EQ(LongestWait({}), 1u);
}

}  // namespace
}  // namespace ndcao
