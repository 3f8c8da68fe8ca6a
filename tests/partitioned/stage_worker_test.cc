// Whole partitioned runs in one process: a chain of small linear maps, stages in threads, messages
// in memory, some of them lost.
#include "ndcao/partitioned/stage_worker.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <random>
#include <thread>

#include "ndcao/base/hash.h"
#include "ndcao/journal/memory/memory_channel.h"
#include "ndcao/journal/memory/memory_journal.h"
#include "points.h"

namespace ndcao {
namespace {

constexpr std::uint32_t kWidth = 4;
constexpr std::uint64_t kSquare = kWidth * kWidth;

/// y = W x, and a rectifier but for the last stage.
class LinearStage : public StageNetwork {
 public:
  explicit LinearStage(bool rectify) : rectify_(rectify), weights_(kSquare) {}
  std::span<float> parameters() override { return weights_; }
  Result<std::span<const float>> Forward(std::span<const float> input) override {
    output_.assign(input.size(), 0);
    for (std::size_t row = 0; row < input.size(); row += kWidth) {
      for (std::size_t i = 0; i < kSquare; ++i) {
        output_[row + i / kWidth] += weights_[i] * input[row + i % kWidth];
      }
    }
    for (float& y : output_) y = rectify_ && y < 0 ? 0 : y;
    return std::span<const float>(output_);
  }

 private:
  bool rectify_;
  std::vector<float> weights_;
  std::vector<float> output_;
};

struct Settings {
  std::uint32_t stages = 3;
  RunMode mode = RunMode::kSync;
  std::uint32_t screening = 4;
  std::uint64_t groups = 80;
  int lose_one_in = 0;  // 0: none
  std::vector<ClockStretch> stretches;
  std::string blocks = "size:5";  // across the stages' borders
};

RunSpec SpecOf(const Settings& settings) {
  RunSpec spec;
  spec.mode = settings.mode;
  spec.options = DefaultsFor("noise-budget").value().options;
  spec.options.sigma = 0.02;
  spec.shape = DefaultsFor("noise-budget").value().shape;
  spec.shape.evaluations = 8;
  spec.screening = settings.screening;
  spec.shape.screening = spec.screening > 0;
  spec.batch = 8;
  spec.blocks = settings.blocks;
  spec.clock.stretches = settings.stretches;
  for (const ClockStretch& stretch : settings.stretches) {
    spec.clock.greatest = std::max(spec.clock.greatest, stretch.period);
  }
  spec.budget = settings.groups * spec.group_cost();
  return spec;
}

/// A run from beginning to end, and what every stage holds then.
class PartitionedRun {
 public:
  explicit PartitionedRun(const Settings& settings)
      : settings_(settings), spec_(SpecOf(settings)), data_(Points()), post_(1 << 20, [this] {
          return settings_.lose_one_in > 0 && random_() % settings_.lose_one_in == 0;
        }) {
    for (std::uint32_t i = 0; i < settings.stages; ++i) {
      layout_.Add("w" + std::to_string(i), {kWidth, kWidth});
    }
    std::mt19937 random(7);
    std::normal_distribution<float> normal(0, 0.5f);
    for (std::uint64_t i = 0; i < layout_.size(); ++i) initial_.push_back(normal(random));
    NDCAO_CHECK(journal_.Append(SpecRecord{"spec", layout_.size(), "digest"}).ok());
  }

  void Run() {
    const auto objective = MakeObjective("cross-entropy").value();
    std::vector<std::jthread> threads;
    results_.resize(settings_.stages);
    parts_.resize(settings_.stages);
    for (std::uint32_t i = 0; i < settings_.stages; ++i) {
      threads.emplace_back([this, i, &objective] { RunStage(i, *objective); });
    }
  }

  /// All stages' parameters, one after another.
  ParameterVector Joined() const {
    ParameterVector all;
    for (const ParameterVector& part : parts_) all.insert(all.end(), part.begin(), part.end());
    return all;
  }

  /// What a replica of the whole network makes of the journal.
  Replica Whole() {
    Replica whole = Replica::Create(spec_, layout_, initial_).value();
    SerialExecutor executor;
    for (const Entry& entry : journal_.Read(0, ~std::size_t{0}, {}).value()) {
      NDCAO_CHECK(whole.Apply(entry, executor).ok());
    }
    return whole;
  }

  const std::vector<StageResult>& results() const { return results_; }
  const RunSpec& spec() const { return spec_; }

 private:
  void RunStage(std::uint32_t i, const Objective& objective) {
    const auto begin = initial_.begin() + static_cast<std::ptrdiff_t>(i * kSquare);
    const Slice slice({{i * kSquare, 0, kSquare}});
    Replica replica =
        Replica::Create(spec_, layout_, ParameterVector(begin, begin + kSquare), slice).value();
    LinearStage network(i + 1 < settings_.stages);
    const auto channel = post_.Open(i + 1);
    StageOptions options;
    options.stage = i + 1;
    options.stages = settings_.stages;
    options.outputs = kWidth;
    options.widest = kWidth;
    options.end_note = "end";
    options.pace.patience = std::chrono::milliseconds(100);
    options.on_join = [&](WorkerId worker) {
      if (i + 1 == settings_.stages) last_worker_ = worker;
      ++present_;
    };
    options.peers = [this] {
      return StagePeers{present_ == settings_.stages ? 1u : 0u, last_worker_};
    };
    StageWorker worker(journal_, replica, network, *channel, options);
    if (i == 0) worker.BeFirst(data_);
    if (i + 1 == settings_.stages) worker.BeLast(objective, kWidth);
    results_[i] = worker.Run().value();
    parts_[i] = *replica.parameters();
  }

  Settings settings_;
  RunSpec spec_;
  Dataset data_;
  std::mt19937 random_{3};  // under the post's lock
  MemoryPost post_;
  MemoryJournal journal_;
  Layout layout_;
  ParameterVector initial_;
  std::atomic<std::uint32_t> present_ = 0;
  std::atomic<WorkerId> last_worker_ = 0;
  std::vector<StageResult> results_;
  std::vector<ParameterVector> parts_;
};

TEST(StageWorkerTest, StagesTogetherHoldWhatAWholeReplicaFolds) {
  for (const RunMode mode : {RunMode::kSync, RunMode::kAsync}) {
    for (const std::uint32_t screening : {0u, 4u}) {
      Settings settings;
      settings.mode = mode;
      settings.screening = screening;
      PartitionedRun run(settings);
      run.Run();
      const Replica whole = run.Whole();
      EXPECT_TRUE(whole.done());
      EXPECT_EQ(run.Joined(), *whole.parameters());
    }
  }
}

TEST(StageWorkerTest, ASynchronousRunIsTheSameForAnyNumberOfStagesAndForLostMessages) {
  Settings settings;
  settings.groups = 20;
  PartitionedRun one(settings);
  one.Run();
  settings.lose_one_in = 100;
  PartitionedRun lossy(settings);
  lossy.Run();
  EXPECT_GT(lossy.results().front().repeats, 0u);
  EXPECT_EQ(DigestHex(one.Joined()), DigestHex(lossy.Joined()));
}

TEST(StageWorkerTest, AStageMayUpdateTenTimesMoreSlowly) {
  Settings settings;
  settings.mode = RunMode::kAsync;
  settings.groups = 200;
  settings.stretches = {{kSquare, 1}, {2 * kSquare, 10}, {3 * kSquare, 1}};
  settings.blocks = "tensor";
  PartitionedRun run(settings);
  run.Run();
  EXPECT_EQ(run.Joined(), *run.Whole().parameters());
  ASSERT_TRUE(run.results().back().score.has_value());
  EXPECT_GT(run.results().back().score->accuracy, 0.5);  // chance: 0.25
}

// 20 bytes of header and 4 for each of the labels, choices and evaluations (docs/partitioned.md).
TEST(StageWorkerTest, TheBytesAreThoseOfTheDocument) {
  Settings settings;
  settings.groups = 20;
  PartitionedRun run(settings);
  run.Run();
  const RunSpec& spec = run.spec();
  const std::uint64_t pool = spec.batch * spec.screening;     // one message
  const std::uint64_t messages = 1 + spec.shape.evaluations;  // of activations, per group
  const std::uint64_t examples = pool + spec.batch * spec.shape.evaluations;
  const std::uint64_t groups = 20;
  const std::uint64_t test = 40;  // in two messages of 32 and 8
  const StageTraffic& first = run.results().front().traffic;
  EXPECT_EQ(first.examples, groups * examples + test);
  EXPECT_EQ(first.activation_bytes,
            20 * (groups * messages + 1) + 4 * kWidth * (groups * examples + test));
  EXPECT_EQ(first.other_bytes, groups * (20 + 20 + 4 * pool) + (20 + 4 + 4 * test));
  const StageTraffic& last = run.results().back().traffic;
  EXPECT_EQ(last.activation_bytes, 0u);
  EXPECT_EQ(last.other_bytes, groups * (20 + 4 * spec.batch) + 21 * (groups * messages + 1));
}

}  // namespace
}  // namespace ndcao
