#include "ndcao/worker/team_executor.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

namespace ndcao {
namespace {

TEST(TeamExecutorTest, EveryPieceIsDoneOnceWithAnyNumberOfHelpers) {
  for (const unsigned helpers : {0u, 1u, 3u}) {
    TeamExecutor team;
    const HelperThreads threads(team, helpers);
    for (int round = 0; round < 200; ++round) {
      std::vector<std::atomic<int>> done(37);
      team.Run(done.size(), [&](std::size_t i) { ++done[i]; });
      for (const auto& count : done) ASSERT_EQ(count, 1);
    }
  }
}

}  // namespace
}  // namespace ndcao
