#include "ndcao/worker/team_executor.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace ndcao {
namespace {

TEST(TeamExecutorTest, EveryPieceIsDoneOnceWithAnyNumberOfHelpers) {
  for (const int helpers : {0, 1, 3}) {
    TeamExecutor team;
    std::atomic<bool> over = false;
    std::vector<std::jthread> threads;
    for (int i = 0; i < helpers; ++i) {
      threads.emplace_back([&] {
        while (!over) team.WaitAndHelp(std::chrono::milliseconds(1));
      });
    }
    for (int round = 0; round < 200; ++round) {
      std::vector<std::atomic<int>> done(37);
      team.Run(done.size(), [&](std::size_t i) { ++done[i]; });
      for (const auto& count : done) ASSERT_EQ(count, 1);
    }
    over = true;
    team.Wake();
  }
}

}  // namespace
}  // namespace ndcao
