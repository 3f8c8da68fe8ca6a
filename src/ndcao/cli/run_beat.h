// What a process tells the server of its run now and then: that it lives, and how far it is.
#pragma once

#include <chrono>
#include <string>

#include "ndcao/journal/nats/run_server.h"
#include "ndcao/worker/session.h"

namespace ndcao {

class RunBeat {
 public:
  /// Before this, nothing is told.
  void Begin(RunServer& server, const std::string& run);

  /// Called often; tells every five seconds.
  void Tell(const SessionProgress& progress);
  /// The process leaves.
  void Leave();

 private:
  RunServer* server_ = nullptr;
  std::string run_;
  std::chrono::steady_clock::time_point last_;
};

}  // namespace ndcao
