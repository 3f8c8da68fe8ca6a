#include "ndcao/partitioned/test_pieces.h"

#include <gtest/gtest.h>

#include "ndcao/evaluate/objective.h"

namespace ndcao {
namespace {

constexpr std::uint64_t kClasses = 3;

class TestSinkTest : public testing::Test {
 protected:
  /// A piece of a test set of `pieces`, with these labels.
  Status Begin(std::uint16_t number, std::int32_t pieces, std::vector<std::int32_t> labels) {
    labels.insert(labels.begin(), pieces);
    return sink_.Begin(
        {StageMessageKind::kTestBegin, number, 1, kTestTrial, std::as_bytes(std::span(labels))});
  }
  std::optional<Score> Take(std::uint16_t number, const std::vector<float>& outputs) {
    return sink_.Take({StageMessageKind::kTest, number, 1, kTestTrial, {}}, outputs);
  }

  std::unique_ptr<Objective> objective_ = MakeObjective("zero-one").value();
  TestSink sink_{*objective_, kClasses};
};

TEST_F(TestSinkTest, ScoresOnceAllPiecesAreThere) {
  ASSERT_TRUE(Begin(0, 2, {2, 0}).ok());
  EXPECT_FALSE(Take(0, {0, 0, 1, 0, 1, 0}).has_value());
  ASSERT_TRUE(Begin(1, 2, {1}).ok());
  EXPECT_FALSE(Take(1, {0, 1}).has_value());  // of another width
  const auto score = Take(1, {0, 1, 0});
  ASSERT_TRUE(score.has_value());
  EXPECT_NEAR(score->accuracy, 2.0 / 3, 1e-12);
  EXPECT_NEAR(score->loss, 1.0 / 3, 1e-6);
}

TEST_F(TestSinkTest, LabelsThatDoNotExistAreRefused) {
  for (const std::int32_t label : {-1, 3, 100000000}) {
    EXPECT_EQ(Begin(0, 1, {0, label}).error().code(), ErrorCode::kCorrupt) << label;
    EXPECT_FALSE(Take(0, {0, 0, 1, 0, 1, 0}).has_value());
  }
}

}  // namespace
}  // namespace ndcao
