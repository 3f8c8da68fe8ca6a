#include "ndcao/replica/run_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ndcao/block/block_optimizer.h"

namespace ndcao {
namespace {

RunSpec FullSpec() {
  RunSpec spec;
  spec.model = "mlp:784-32-10";
  spec.data = "csv:a \"quoted\" file.csv";
  spec.data_hash = "0123456789abcdef";
  spec.blocks = "pattern";
  spec.blocks_text = "fc1.* = a\nfc2.* = b\n";
  spec.mode = RunMode::kAsync;
  spec.clock = {ClockKind::kHeavy, 2, 9};
  spec.budget = 123456789012;
  spec.options = DefaultsFor("noise-budget").value().options;
  spec.options.loss_floor = -1.5;
  BlockOverride o{"a.*", DefaultsFor("cao").value().options};
  o.options.cao.centre = CaoCentre::kCurrent;
  spec.overrides.push_back(o);
  return spec;
}

TEST(RunSpecTest, ComesBackFromItsText) {
  const RunSpec spec = FullSpec();
  const std::string text = FormatRunSpec(spec);
  const auto again = ParseRunSpec(text);
  ASSERT_TRUE(again.ok()) << again.error().message() << "\n" << text;
  EXPECT_EQ(again.value(), spec) << text;
  EXPECT_EQ(FormatRunSpec(again.value()), text);
}

TEST(RunSpecTest, UnknownMissingAndForeignKeysAreRefused) {
  const std::string text = FormatRunSpec(FullSpec());
  EXPECT_NE(ParseRunSpec("colour = 1\n" + text).error().message().find("'colour' is unknown"),
            std::string::npos);
  std::string missing = text;
  missing.replace(missing.find("seed ="), 6, "sead =");
  EXPECT_FALSE(ParseRunSpec(missing).ok());
  std::string newer = text;
  newer.replace(newer.find("format = 7"), 10, "format = 9");
  EXPECT_NE(ParseRunSpec(newer).error().message().find("format 9"), std::string::npos);
}

TEST(RunSpecTest, PreviousFormatsAreReadWhereTheirArithmeticIsTheSame) {
  RunSpec spec = FullSpec();
  const auto with_format = [&](const std::string& format) {
    std::string text = FormatRunSpec(spec);
    return ParseRunSpec(text.replace(text.find("format = 7"), 10, "format = " + format));
  };
  spec.probe = ProbeTarget::kWeights;
  EXPECT_THAT(with_format("4").error().message(), testing::HasSubstr("reads formats 5 to 7"));
  EXPECT_TRUE(with_format("5").ok());
  spec.clock = {};  // no clocks that matter
  ASSERT_TRUE(with_format("3").ok());
  EXPECT_EQ(with_format("3").value(), spec);
  EXPECT_FALSE(with_format("2").ok());
  std::string text = FormatRunSpec(spec);
  for (const char* key : {"regain = ", "sigma_end = ", "guard = "}) {
    for (std::size_t at; (at = text.find(key)) != std::string::npos;) {
      text.erase(at, text.find('\n', at) - at);
    }
  }
  EXPECT_FALSE(ParseRunSpec(text).ok());  // as every missing key
  text.replace(text.find("format = 7"), 10, "format = 5");
  const auto before = ParseRunSpec(text);
  ASSERT_TRUE(before.ok()) << before.error().message();
  EXPECT_EQ(before.value().options.noise_budget.regain, 0);
  EXPECT_EQ(before.value().options.noise_budget.guard, 1u);
  EXPECT_EQ(before.value().options.sigma_end, 0);
  ASSERT_FALSE(before.value().overrides.empty());
  EXPECT_EQ(before.value().overrides[0].options.noise_budget.regain, 0);
  spec.overrides[0].options = DefaultsFor("random-search").value().options;
  EXPECT_TRUE(with_format("6").ok());
  EXPECT_THAT(with_format("5").error().message(), testing::HasSubstr("reads formats 6 to 7"));
  spec.overrides.clear();
  spec.probe = ProbeTarget::kActivations;
  EXPECT_TRUE(with_format("4").ok());
  EXPECT_THAT(with_format("3").error().message(), testing::HasSubstr("reads formats 4 to 7"));
}

TEST(RunSpecTest, CostsCountEveryImageThroughEveryPass) {
  RunSpec spec = FullSpec();
  spec.shape = {64, true, true, 4};
  spec.batch = 16;
  spec.screening = 16;
  EXPECT_EQ(spec.group_cost(), 16u * 80);
  spec.screening = 0;
  EXPECT_EQ(spec.group_cost(), 16u * 65);
  spec.batch = 0;
  EXPECT_EQ(spec.group_cost(), 65u);
}

TEST(RunSpecTest, ValidationNamesTheValue) {
  RunSpec spec = FullSpec();
  spec.budget = 100;
  EXPECT_NE(spec.Validate().error().message().find("100 image-forwards"), std::string::npos);
  spec = FullSpec();
  spec.clock.least = 0;
  EXPECT_NE(spec.Validate().error().message().find("0..9"), std::string::npos);
  spec = FullSpec();
  spec.batch = 1 << 20, spec.screening = 32;
  EXPECT_THAT(spec.Validate().error().message(), testing::HasSubstr("33554432 examples"));
  spec.batch = 1 << 21, spec.screening = 0, spec.shape.evaluations = 4096;
  EXPECT_THAT(spec.Validate().error().message(), testing::HasSubstr("image-forwards in a group"));
}

TEST(RunSpecTest, WhatComesFromOutsideIsValidated) {
  const std::string text = FormatRunSpec(FullSpec());
  ASSERT_TRUE(ReadRunSpec(text).ok()) << ReadRunSpec(text).error().message();
  const auto with = [&](const std::string& line, const std::string& other) {
    std::string changed = text;
    const auto at = changed.find(line);
    EXPECT_NE(at, std::string::npos) << line;
    changed.replace(at, line.size(), other);
    return ReadRunSpec(changed).error().message();
  };
  EXPECT_THAT(with("slots = 4", "slots = 4294967300"),
              testing::HasSubstr("'group.slots' is out of range"));
  EXPECT_THAT(with("staleness_limit = ", "staleness_limit = -"),
              testing::HasSubstr("'staleness_limit' is out of range"));
  EXPECT_THAT(with("slots = ", "slots = 9999"), testing::HasSubstr("--slots 9999"));
  RunSpec never = FullSpec();
  never.clock.stretches = {{10, 0}};
  EXPECT_THAT(ReadRunSpec(FormatRunSpec(never)).error().message(),
              testing::HasSubstr("a period of 0"));
  never.clock.stretches = {{10, 1}, {10, 2}};
  EXPECT_THAT(never.Validate().error().message(), testing::HasSubstr("10 to 10"));
}

TEST(RunSpecTest, TheFirstDifferenceIsNamed) {
  RunSpec mine = FullSpec();
  EXPECT_EQ(DescribeDifference(FullSpec(), mine), "");
  mine.data_hash = "feed";
  EXPECT_NE(DescribeDifference(FullSpec(), mine).find("feed"), std::string::npos);
  mine = FullSpec();
  mine.staleness_limit += 1;
  EXPECT_NE(DescribeDifference(FullSpec(), mine).find("staleness_limit = "), std::string::npos);
}

}  // namespace
}  // namespace ndcao
