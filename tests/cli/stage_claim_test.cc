#include "ndcao/cli/stage_claim.h"

#include <gtest/gtest.h>

#include <map>
#include <mutex>
#include <thread>

namespace ndcao {
namespace {

/// A server that keeps claims, and from which some answers do not come: the call is made again, as
/// the client does, and fails, since the first was carried out.
class ClaimServer : public RunServer {
 public:
  int lose_answers = 0;  ///< Of the next PutClaims.
  int refused = 0;       ///< PutClaims that met another revision than they knew of.

  void Forget() {
    const std::lock_guard lock(mutex_);
    claims_.clear();
  }

  Result<std::optional<Claim>> GetClaim(const std::string&, const std::string& name) override {
    const std::lock_guard lock(mutex_);
    const auto found = claims_.find(name);
    return found == claims_.end() ? std::optional<Claim>() : std::optional(found->second);
  }
  Result<std::optional<std::uint64_t>> PutClaim(const std::string&, const std::string& name,
                                                const std::string& text,
                                                std::uint64_t revision) override {
    const std::lock_guard lock(mutex_);
    const auto found = claims_.find(name);
    if ((found == claims_.end() ? 0 : found->second.revision) != revision) {
      ++refused;
      return std::optional<std::uint64_t>();
    }
    claims_[name] = {text, ++revision_};
    if (lose_answers-- > 0) return std::optional<std::uint64_t>();
    return std::optional(revision_);
  }
  void DropClaim(const std::string&, const std::string& name) override {
    const std::lock_guard lock(mutex_);
    claims_.erase(name);
  }
  const NatsOptions& options() const override { return options_; }

  std::string url() const override { return options_.url; }
  Status PrepareRun(const std::string&) override { return Ok(); }
  Result<std::optional<std::string>> Get(const std::string&) override { return Failed(""); }
  Result<bool> Create(const std::string&, const std::string&) override { return Failed(""); }
  Result<std::vector<std::string>> Runs() override { return Failed(""); }
  Result<std::vector<Heartbeat>> Alive() override { return Failed(""); }
  Status PutBlob(const std::string&, const std::string&, std::span<const std::byte>,
                 const std::string&) override {
    return Failed("");
  }
  Result<std::optional<std::vector<std::byte>>> GetBlob(const std::string&, const std::string&,
                                                        int) override {
    return Failed("");
  }
  Result<std::optional<std::string>> GetManifest(const std::string&, const std::string&) override {
    return Failed("");
  }
  Result<bool> TakeLease(const std::string&) override { return Failed(""); }
  void Beat(const std::string&, const std::string&) override {}
  void Leave(const std::string&) override {}
  Result<std::unique_ptr<Channel>> OpenChannel(const std::string&, std::uint32_t) override {
    return Failed("");
  }
  Result<std::unique_ptr<NatsJournal>> OpenJournal(const std::string&,
                                                   std::span<const std::byte>) override {
    return Failed("");
  }

 private:
  NatsOptions options_;
  std::mutex mutex_;  // guards what follows
  std::map<std::string, Claim> claims_;
  std::uint64_t revision_ = 0;
};

constexpr std::chrono::milliseconds kPatience{60000};

/// Until the claim has been written once more.
void AwaitBeat(ClaimServer& server) {
  const auto revision = [&] {
    const auto claim = server.GetClaim("run", "stage-1").value();
    return claim ? claim->revision : 0;
  };
  const std::uint64_t before = revision();
  for (int i = 0; i < 200 && revision() <= before; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  EXPECT_GT(revision(), before);
}

TEST(StageClaimTest, AnAnswerThatGetsLostLosesNoPlace) {
  ClaimServer server;
  server.lose_answers = 2;
  const auto claim = StageClaim::Take(server, "run", 1, 2);
  ASSERT_TRUE(claim.ok()) << claim.error().message();
  server.lose_answers = 2;
  AwaitBeat(server);
  AwaitBeat(server);
  EXPECT_TRUE(claim.value()->Check(kPatience).ok());
  EXPECT_EQ(server.refused, 0) << "the revision of one's own claim is looked up";
}

TEST(StageClaimTest, AClaimThatLapsedWhileItsHolderWasStarvedIsTakenAgain) {
  ClaimServer server;
  const auto claim = StageClaim::Take(server, "run", 1, 2);
  ASSERT_TRUE(claim.ok());
  server.Forget();
  AwaitBeat(server);
  EXPECT_TRUE(claim.value()->Check(kPatience).ok());
}

TEST(StageClaimTest, ThePlaceIsLostToSomebodyElseAlone) {
  ClaimServer server;
  const auto claim = StageClaim::Take(server, "run", 1, 2);
  ASSERT_TRUE(claim.ok());
  server.Forget();
  ASSERT_TRUE(server.PutClaim("run", "stage-1", R"({"host": "other:1", "life": 7})", 0).value());
  Status status;
  for (int i = 0; i < 200 && status.ok(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    status = claim.value()->Check(kPatience);
  }
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code(), ErrorCode::kConflict);
  EXPECT_NE(server.GetClaim("run", "stage-1").value()->text.find("other:1"), std::string::npos);
}

TEST(StageClaimTest, AClaimThatMakesNoSenseIsNobodys) {
  ClaimServer server;
  for (const char* text : {"{", "7", R"({"life": "x", "worker": "y", "host": 3})", "null"}) {
    ASSERT_TRUE(server.PutClaim("run", "stage-2", text, 0).value());
    const auto claim = StageClaim::Take(server, "run", 1, 2);
    ASSERT_TRUE(claim.ok()) << text;
    AwaitBeat(server);
    EXPECT_TRUE(claim.value()->Check(kPatience).ok()) << text;
    EXPECT_FALSE(claim.value()->Check(std::chrono::milliseconds(0)).ok()) << "stage 2 is not there";
    server.Forget();
  }
}

}  // namespace
}  // namespace ndcao
