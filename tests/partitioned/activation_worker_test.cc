// Whole runs that probe activations in stages: stages in threads, messages in memory, some of them
// lost.
#include "ndcao/partitioned/activation_worker.h"

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>

#include "ndcao/base/hash.h"
#include "ndcao/evaluate/torch/stage_model.h"
#include "ndcao/journal/memory/memory_channel.h"
#include "ndcao/journal/memory/memory_journal.h"
#include "ndcao/partitioned/stage_message.h"
#include "points.h"

namespace ndcao {
namespace {

constexpr std::uint64_t kHidden = 6;
constexpr std::uint32_t kLayers = 3;  // mlp:4-6-6-4
constexpr std::uint32_t kSlots = 2;
constexpr std::uint32_t kBatch = 16;

struct Settings {
  std::vector<std::uint32_t> ends = {1, 2, 3};  // layers: of each stage, the first behind it
  ActivationEstimator estimator = ActivationEstimator::kLearned;
  std::uint32_t in_flight = 1;
  std::uint64_t steps = 60;
  int lose_one_in = 0;     // messages; 0: none
  bool meddle = false;     // with messages
  std::uint32_t slow = 0;  // this stage takes a little longer for every update
};

/// Sends what no stage would: before some clean passes the first row of them alone, and a copy
/// twice.
class MeddlingChannel : public Channel {
 public:
  explicit MeddlingChannel(std::unique_ptr<Channel> own) : own_(std::move(own)) {}

  Status Send(std::uint32_t stage, std::span<const std::byte> bytes) override {
    StageMessage message = DecodeStageMessage(bytes).value();
    if (message.kind == StageMessageKind::kClean && ++clean_ % 9 == 0) {
      message.payload = message.payload.first(kHidden * sizeof(float));
      NDCAO_TRY(own_->Send(stage, EncodeStageMessage(message)));
    }
    if (message.kind == StageMessageKind::kCopy && ++copies_ == 50) {
      NDCAO_TRY(own_->Send(stage, bytes));
    }
    return own_->Send(stage, bytes);
  }
  Result<std::optional<std::vector<std::byte>>> Receive(std::chrono::milliseconds wait) override {
    return own_->Receive(wait);
  }
  std::size_t max_message() const override { return own_->max_message(); }

 private:
  std::unique_ptr<Channel> own_;
  int clean_ = 0;
  int copies_ = 0;
};

/// A run from beginning to end, and what every stage holds then.
class StagedRun {
 public:
  explicit StagedRun(const Settings& settings)
      : settings_(settings),
        stages_(static_cast<std::uint32_t>(settings.ends.size())),
        data_(Points()),
        post_(1 << 20, [this] {
          return settings_.lose_one_in > 0 && random_() % settings_.lose_one_in == 0;
        }) {
    for (std::uint32_t i = 0; i < kLayers; ++i) {
      const std::string name = "fc" + std::to_string(i + 1);
      layout_.Add(name + ".weight", {Width(i + 1), Width(i)});
      layout_.Add(name + ".bias", {Width(i + 1)});
    }
    std::mt19937 random(7);
    std::normal_distribution<float> normal(0, 0.5f);
    for (std::uint64_t i = 0; i < layout_.size(); ++i) initial_.push_back(normal(random));
    spec_.model = "mlp:4-6-6-4";
    spec_.probe = ProbeTarget::kActivations;
    spec_.activation.estimator = settings.estimator;
    spec_.activation.rate = 0.02;
    spec_.activation.probes = 1;
    spec_.options.sigma = 0.01;
    spec_.batch = kBatch;
    spec_.shape.slots = kSlots;
    spec_.budget = settings.steps * kBatch * kLayers;  // a clean pass, and a copy of two sites
    flow_ = {settings.in_flight, 20, std::vector<std::uint32_t>(stages_)};
    for (std::uint32_t i = 0; i < stages_; ++i) flow_.probed[i] = ProbedIn(i);
    NDCAO_CHECK(journal_.Append(SpecRecord{"spec", layout_.size(), "digest"}).ok());
  }

  void Train() {
    results_.resize(stages_);
    parts_.resize(stages_);
    std::vector<std::jthread> threads;
    for (std::uint32_t i = 0; i < stages_; ++i) threads.emplace_back([this, i] { RunStage(i); });
  }

  std::string digest() const {
    ParameterVector all;
    for (const ParameterVector& part : parts_) all.insert(all.end(), part.begin(), part.end());
    return DigestHex(all);
  }
  const std::vector<StageResult>& results() const { return results_; }

 private:
  static std::int64_t Width(std::uint32_t layer) {
    return layer == 0 || layer == kLayers ? kKinds : static_cast<std::int64_t>(kHidden);
  }
  std::uint32_t Begin(std::uint32_t stage) const {
    return stage == 0 ? 0 : settings_.ends[stage - 1];
  }
  // Every layer but the last.
  std::uint32_t ProbedIn(std::uint32_t stage) const {
    return settings_.ends[stage] - Begin(stage) - (settings_.ends[stage] == kLayers ? 1 : 0);
  }

  StageHead HeadOf(std::uint32_t stage) const {
    StageHead head;
    head.stage = stage + 1;
    head.stages = stages_;
    head.layout = layout_;
    head.first = layout_.tensors()[2 * Begin(stage)].offset;
    for (std::size_t i = 2 * Begin(stage); i < 2 * settings_.ends[stage]; ++i) {
      head.parameters += layout_.tensors()[i].size;
    }
    head.flow = flow_;
    head.model = {spec_.model,
                  "",
                  "eval",
                  {kKinds},
                  kKinds,
                  Begin(stage),
                  settings_.ends[stage],
                  {Width(Begin(stage))},
                  {Width(settings_.ends[stage])}};
    return head;
  }

  void RunStage(std::uint32_t stage) {
    const StageHead head = HeadOf(stage);
    const auto objective = MakeObjective("cross-entropy").value();
    const bool last = stage + 1 == stages_;
    const auto network = MakeActivationStage(head.model, flow_.SitesBefore(head.stage),
                                             last ? objective.get() : nullptr)
                             .value();
    ASSERT_EQ(network->probed_sites(), ProbedIn(stage));
    const SiteTable sites = StageTableOf(network->plan(), head);
    std::map<std::uint64_t, std::vector<std::byte>> kept;  // by steps
    const auto at = [&](std::uint64_t steps) -> Result<ActivationReplica> {
      if (steps > 0) {
        return ActivationReplica::Restore(spec_, layout_, sites, head.slice(), kept.at(steps));
      }
      const auto begin = initial_.begin() + static_cast<std::ptrdiff_t>(head.first);
      ParameterVector part(begin, begin + static_cast<std::ptrdiff_t>(head.parameters));
      return ActivationReplica::Create(spec_, layout_, std::move(part), sites, head.slice());
    };
    ActivationReplica replica = at(0).value();
    ActivationStageOptions options;
    options.spec = spec_;
    options.flow = flow_;
    options.stage = head.stage;
    options.stages = stages_;
    options.outputs = static_cast<std::uint64_t>(Width(settings_.ends[stage]));
    options.widest = kHidden;
    options.end_note = "end";
    // Where nothing is lost, a machine that stands still for a moment is no reason to go back.
    const bool lossy = settings_.lose_one_in > 0 || settings_.meddle;
    options.patience = std::chrono::milliseconds(lossy ? 300 : 60000);
    options.delay = std::chrono::milliseconds(head.stage == settings_.slow ? 5 : 0);
    options.kept = [&] {
      std::vector<std::uint64_t> steps;
      for (const auto& [step, bytes] : kept) steps.insert(steps.begin(), step);
      return steps;
    };
    options.keep = [&](const ActivationReplica& now) {
      kept[now.counters().steps] = now.Snapshot();
      while (kept.size() > 2) kept.erase(kept.begin());
      return Ok();
    };
    options.go_back = at;
    options.on_join = [&](WorkerId) { present_ |= 1u << stage; };
    options.peers = [this] { return StagePeers{present_ == (1u << stages_) - 1 ? 1u : 0u, 0}; };
    std::unique_ptr<Channel> channel = post_.Open(head.stage);
    if (settings_.meddle) channel = std::make_unique<MeddlingChannel>(std::move(channel));
    ActivationWorker worker(journal_, replica, *network, *channel, options);
    if (stage == 0) worker.BeFirst(data_);
    if (last) worker.BeLast(*objective, kKinds);
    results_[stage] = worker.Run().value();
    parts_[stage] = replica.parameters();
  }

  Settings settings_;
  std::uint32_t stages_;
  RunSpec spec_;
  BatchFlow flow_;
  Dataset data_;
  std::mt19937 random_{3};  // under the post's lock
  MemoryPost post_;
  MemoryJournal journal_;
  Layout layout_;
  ParameterVector initial_;
  std::atomic<std::uint32_t> present_ = 0;
  std::vector<StageResult> results_;
  std::vector<ParameterVector> parts_;
};

std::string DigestOf(const Settings& settings) {
  StagedRun run(settings);
  run.Train();
  return run.digest();
}

TEST(ActivationWorkerTest, ARunIsTheSameForAnyCutAndForStagesThatAreSlow) {
  Settings settings;
  settings.in_flight = 3;
  settings.steps = 45;
  const std::string digest = DigestOf(settings);
  settings.slow = 2;
  EXPECT_EQ(DigestOf(settings), digest);
  settings.slow = 0;
  settings.ends = {1, 3};
  EXPECT_EQ(DigestOf(settings), digest);
  settings.ends = {2, 3};
  EXPECT_EQ(DigestOf(settings), digest);
}

TEST(ActivationWorkerTest, AStrictRunIsTheSameForAnyCut) {
  Settings settings;
  settings.estimator = ActivationEstimator::kStrict;
  settings.steps = 30;
  const std::string digest = DigestOf(settings);
  settings.ends = {2, 3};
  EXPECT_EQ(DigestOf(settings), digest);
}

TEST(ActivationWorkerTest, ItLearns) {
  Settings settings;
  settings.steps = 120;
  settings.in_flight = 2;
  StagedRun run(settings);
  run.Train();
  ASSERT_TRUE(run.results().back().score.has_value());
  EXPECT_GT(run.results().back().score->accuracy, 0.8);  // chance: 0.25
}

TEST(ActivationWorkerTest, MessagesMayBeLost) {
  Settings settings;
  settings.in_flight = 2;
  const std::string calm = DigestOf(settings);
  settings.lose_one_in = 400;  // about 1,100 are sent
  StagedRun lossy(settings);
  lossy.Train();
  EXPECT_GT(lossy.results().front().repeats, 0u);
  EXPECT_EQ(lossy.digest(), calm);
}

TEST(ActivationWorkerTest, MessagesThatDoNotFitAreDropped) {
  for (const auto estimator : {ActivationEstimator::kLearned, ActivationEstimator::kStrict}) {
    Settings settings;
    settings.estimator = estimator;
    const std::string calm = DigestOf(settings);
    settings.meddle = true;
    EXPECT_EQ(DigestOf(settings), calm);
  }
}

// What docs/partitioned.md says of a batch of B examples, R slots, a copy of each site, and r = 4.
TEST(ActivationWorkerTest, TheBytesAreThoseOfTheDocument) {
  for (const bool learned : {true, false}) {
    Settings settings;
    settings.estimator = learned ? ActivationEstimator::kLearned : ActivationEstimator::kStrict;
    StagedRun run(settings);
    run.Train();
    const std::uint64_t header = 20;
    const std::uint64_t test = 40;  // examples, in one message
    for (std::uint64_t cut = 1; cut < kLayers; ++cut) {
      const StageTraffic& sent = run.results()[cut - 1].traffic;
      const std::uint64_t rows = settings.steps * kBatch * (1 + cut);
      EXPECT_EQ(sent.examples, rows + test);
      EXPECT_EQ(sent.activation_bytes,
                4 * kHidden * (rows + test) + header * (settings.steps * kSlots * (1 + cut) + 1));
    }
    const std::uint64_t labels = settings.steps * (4 * kBatch + header * kSlots);
    EXPECT_EQ(run.results().front().traffic.other_bytes, labels + header + 4 * (1 + test));
    const std::uint64_t losses = 1 + 2 + (learned ? kKinds : 0);
    EXPECT_EQ(run.results().back().traffic.other_bytes,
              2 * settings.steps * (4 * kBatch * losses + header * kSlots));
    EXPECT_EQ(run.results().back().traffic.activation_bytes, 0u);
  }
}

}  // namespace
}  // namespace ndcao
