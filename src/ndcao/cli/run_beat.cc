#include "ndcao/cli/run_beat.h"

#include <nlohmann/json.hpp>

namespace ndcao {
namespace {

constexpr std::chrono::milliseconds kBeat{5000};

}  // namespace

void RunBeat::Begin(RunServer& server, const std::string& run) {
  server_ = &server;
  run_ = run;
}

void RunBeat::Tell(const SessionProgress& progress) {
  const auto now = std::chrono::steady_clock::now();
  if (server_ == nullptr || now - last_ < kBeat) return;
  last_ = now;
  nlohmann::ordered_json json;
  json["fraction"] = progress.fraction;
  json["image_forwards"] = progress.image_forwards;
  json["images_per_second"] = progress.images_per_second;
  if (!progress.excluded.empty()) json["excluded"] = progress.excluded;
  server_->Beat(run_, json.dump());
}

void RunBeat::Leave() {
  if (last_ != std::chrono::steady_clock::time_point()) server_->Leave(run_);
  last_ = {};
}

}  // namespace ndcao
