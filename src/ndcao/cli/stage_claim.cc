#include "ndcao/cli/stage_claim.h"

#include <fmt/format.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <random>

#include "ndcao/base/hash.h"
#include "ndcao/base/log.h"

namespace ndcao {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kBeat{1000};
// While somebody is missing, one looks more often.
constexpr milliseconds kLook{200};
// A claim that is not renewed for so long is anybody's.
constexpr milliseconds kLapses{3000};

std::string Host() {
  char host[256] = "";
  gethostname(host, sizeof(host) - 1);
  return fmt::format("{}:{}", host, getpid());
}

// While the answers of an overloaded server get lost.
constexpr int kAttempts = 20;
constexpr milliseconds kPause{100};

struct ClaimText {
  std::string host = "another";
  std::uint64_t life = 0;
  std::optional<WorkerId> worker;
};

/// Anybody may write a claim: what makes no sense is as if it were not there.
ClaimText ReadClaim(const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  ClaimText claim;
  if (!json.is_object()) return claim;
  const auto find = [&](const char* key) { return json.value(key, nlohmann::json()); };
  if (find("host").is_string()) claim.host = find("host");
  if (find("life").is_number_unsigned()) claim.life = find("life");
  if (find("worker").is_number_unsigned()) claim.worker = find("worker").get<WorkerId>();
  return claim;
}

std::string ClaimName(std::uint32_t stage) { return fmt::format("stage-{}", stage); }

}  // namespace

StageClaim::StageClaim(RunServer& server, const std::string& run, std::uint32_t stage,
                       std::uint32_t stages)
    : server_(server),
      run_(run),
      stage_(stage),
      stages_(stages),
      life_(std::random_device()() | std::uint64_t{1} << 40),
      complete_(Clock::now()) {
  for (std::uint32_t i = 1; i <= stages; ++i) {
    if (i != stage) missing_.insert(i);
  }
}

Result<std::unique_ptr<StageClaim>> StageClaim::Take(RunServer& server, const std::string& run,
                                                     std::uint32_t stage, std::uint32_t stages) {
  std::unique_ptr<StageClaim> self(new StageClaim(server, run, stage, stages));
  NDCAO_TRY(self->TakePlace());
  self->beat_ = std::jthread([claim = self.get()](std::stop_token stop) { claim->BeatLoop(stop); });
  return self;
}

StageClaim::~StageClaim() {
  if (!beat_.joinable()) return;
  beat_.request_stop();
  beat_.join();
  if (!error_) server_.DropClaim(run_, ClaimName(stage_));
}

// A claim that is there is watched for a while: its holder renews it, or is dead.
Status StageClaim::TakePlace() {
  const std::string name = ClaimName(stage_);
  NDCAO_ASSIGN(const std::optional<Claim> first, server_.GetClaim(run_, name));
  std::optional<Claim> now = first;
  const auto deadline = Clock::now() + kLapses;
  while (now && now->revision == first->revision && Clock::now() < deadline) {
    if (server_.options().cancelled()) return Error(ErrorCode::kCancelled, "stopped");
    std::this_thread::sleep_for(kLook);
    NDCAO_ASSIGN(now, server_.GetClaim(run_, name));
  }
  const bool held = now && first && now->revision != first->revision;
  if (!held) {
    NDCAO_ASSIGN(const bool taken, PutOurs(now ? now->revision : 0));
    if (taken) return Ok();
  }
  NDCAO_ASSIGN(now, server_.GetClaim(run_, name));
  return Error(
      ErrorCode::kConflict,
      fmt::format("stage {} of run '{}' is held by {}; a stage runs on one host, and its "
                  "place is free {} s after that host has died",
                  stage_, run_, ReadClaim(now ? now->text : "").host, kLapses.count() / 1000));
}

std::string StageClaim::Text() const {
  nlohmann::ordered_json json;
  json["host"] = Host();
  json["life"] = life_;
  const std::lock_guard lock(mutex_);
  if (worker_) json["worker"] = *worker_;
  return json.dump();
}

void StageClaim::SetWorker(WorkerId worker) {
  const std::lock_guard lock(mutex_);
  worker_ = worker;
}

void StageClaim::BeatLoop(std::stop_token stop) {
  bool told = false;  // our number
  auto renewed = Clock::now();
  auto looked = Clock::time_point();
  while (!stop.stop_requested()) {
    bool missing = false;
    bool new_number = false;
    {
      const std::lock_guard lock(mutex_);
      missing = !missing_.empty();
      new_number = worker_.has_value() && !told;
    }
    Status status;
    if (new_number || Clock::now() - renewed >= kBeat) {
      status = Renew();
      renewed = Clock::now();
      told = told || new_number;
    }
    if (status.ok() && Clock::now() - looked >= (missing ? kLook : kBeat)) {
      status = Look();
      looked = Clock::now();
    }
    if (!status.ok()) {
      const std::lock_guard lock(mutex_);
      error_ = status.error();
      return;
    }
    std::this_thread::sleep_for(milliseconds(20));
  }
}

Status StageClaim::Renew() {
  NDCAO_ASSIGN(const bool renewed, PutOurs(revision_));
  if (renewed) return Ok();
  return Error(ErrorCode::kConflict,
               fmt::format("stage {} of run '{}' has been taken by another host", stage_, run_));
}

// The claim may have another revision than we know of and still be ours: an attempt was stored
// whose answer got lost. It may be gone: this process was starved for longer than it lasts, or the
// server was away. The place is lost only to a claim of somebody else.
Result<bool> StageClaim::PutOurs(std::uint64_t revision) {
  const std::string name = ClaimName(stage_);
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    NDCAO_ASSIGN(const auto put, server_.PutClaim(run_, name, Text(), revision));
    if (put) {
      revision_ = *put;
      return true;
    }
    NDCAO_ASSIGN(const auto now, server_.GetClaim(run_, name));
    if (now && now->revision != revision && ReadClaim(now->text).life != life_) return false;
    revision = now ? now->revision : 0;
    std::this_thread::sleep_for(kPause);
  }
  return Failed(fmt::format("the claim of stage {} of run '{}' cannot be renewed; start it again",
                            stage_, run_));
}

Status StageClaim::Look() {
  std::map<std::uint32_t, std::optional<Claim>> claims;
  for (std::uint32_t i = 1; i <= stages_; ++i) {
    if (i == stage_) continue;
    NDCAO_ASSIGN(claims[i], server_.GetClaim(run_, ClaimName(i)));
  }
  const auto now = Clock::now();
  const std::lock_guard lock(mutex_);
  missing_.clear();
  for (const auto& [stage, claim] : claims) {
    Peer& peer = peers_[stage];
    if (claim && claim->revision != peer.revision) {
      const ClaimText text = ReadClaim(claim->text);
      peer = {claim->revision, now, text.life, text.worker};
    }
    if (!claim || !peer.worker || now - peer.renewed > kLapses + kBeat) missing_.insert(stage);
  }
  if (missing_.empty()) complete_ = now;
  return Ok();
}

StagePeers StageClaim::peers() const {
  const std::lock_guard lock(mutex_);
  StagePeers peers;
  if (!missing_.empty()) return peers;
  for (const auto& [stage, peer] : peers_) {
    peers.epoch = ChainHash(peers.epoch, peer.life);
    if (stage == stages_) peers.last_worker = *peer.worker;
  }
  return peers;
}

Status StageClaim::Check(milliseconds patience) {
  std::set<std::uint32_t> missing;
  {
    const std::lock_guard lock(mutex_);
    if (error_) return *error_;
    missing = missing_;
    if (!missing.empty() && Clock::now() - complete_ > patience) {
      return Failed(fmt::format(
          "stage {} of {} has not come for {} s; start it with 'ndcao stage', and this one again",
          fmt::join(missing, " and stage "), stages_, patience.count() / 1000));
    }
  }
  if (missing != told_ && !missing.empty()) {
    spdlog::warn("waiting for stage {} of {}", fmt::join(missing, " and stage "), stages_);
  }
  told_ = missing;
  return Ok();
}

}  // namespace ndcao
