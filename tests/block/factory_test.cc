#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "block/driver.h"
#include "ndcao/block/block_optimizer.h"

namespace ndcao {
namespace {

using testing::HasSubstr;

TEST(FactoryTest, EveryNameHasDefaultsThatAreValid) {
  for (const std::string& name : OptimizerNames()) {
    const Result<OptimizerDefaults> defaults = DefaultsFor(name);
    ASSERT_TRUE(defaults.ok()) << name;
    EXPECT_EQ(defaults.value().options.optimizer, name);
    EXPECT_TRUE(defaults.value().options.Validate().ok()) << name;
  }
}

TEST(FactoryTest, AnUnknownNameIsAnErrorThatListsWhatExists) {
  const Result<OptimizerDefaults> defaults = DefaultsFor("adam");
  ASSERT_FALSE(defaults.ok());
  EXPECT_EQ(defaults.error().code(), ErrorCode::kInvalid);
  EXPECT_THAT(defaults.error().message(), HasSubstr("'adam'"));
  for (const std::string& name : OptimizerNames()) {
    EXPECT_THAT(defaults.error().message(), HasSubstr(name));
  }
}

TEST(FactoryTest, ZerosMeanTheAuthorsConstants) {
  const auto loss = [](TrialId, std::span<const float> x) { return double{x[0]}; };
  for (const char* name : {"mezo", "openai-es", "pgpe", "random-search"}) {
    const OptimizerDefaults defaults = DefaultsFor(name).value();
    BlockOptions bare;
    bare.optimizer = name;
    Driver filled(loss, {1.0f}, defaults.shape, 10);
    Driver unfilled(loss, {1.0f}, defaults.shape, 10);
    filled.Add(defaults.options, Slice::Whole(1));
    unfilled.Add(bare, Slice::Whole(1));
    filled.Run(5);
    unfilled.Run(5);
    EXPECT_EQ(filled.theta(), unfilled.theta()) << name;
    EXPECT_NE(filled.theta()[0], 1.0f) << name;
  }
}

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct BadOption {
  const char* field;
  void (*spoil)(BlockOptions&);
};

TEST(OptionsTest, ErrorsNameTheField) {
  const BadOption bad[] = {
      {"optimizer 'x'", [](BlockOptions& o) { o.optimizer = "x"; }},
      {"sigma", [](BlockOptions& o) { o.sigma = -1; }},
      {"sigma", [](BlockOptions& o) { o.sigma = kNan; }},
      {"noise-budget.eps", [](BlockOptions& o) { o.noise_budget.eps = 0; }},
      {"rate", [](BlockOptions& o) { o.peer.rate = -1e-3; }},
      {"sigma-rate", [](BlockOptions& o) { o.peer.sigma_rate = kNan; }},
      {"loss-floor", [](BlockOptions& o) { o.loss_floor = kNan; }},
      {"cao.window", [](BlockOptions& o) { o.cao.window = 4; }},
      {"cao.monomials", [](BlockOptions& o) { o.cao.monomials = 0; }},
      {"cao.candidates", [](BlockOptions& o) { o.cao.candidates = 0; }},
      {"cao.ridge", [](BlockOptions& o) { o.cao.ridge = -1; }},
      {"cao.step", [](BlockOptions& o) { o.cao.step = 0; }},
      {"cao.step-floor", [](BlockOptions& o) { o.cao.step_floor = 2; }},
  };
  for (const BadOption& option : bad) {
    BlockOptions options;
    option.spoil(options);
    const Status status = options.Validate();
    ASSERT_FALSE(status.ok()) << option.field;
    EXPECT_EQ(status.error().code(), ErrorCode::kInvalid);
    EXPECT_THAT(status.error().message(), HasSubstr(option.field));
  }
}

}  // namespace
}  // namespace ndcao
