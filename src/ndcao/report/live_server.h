// Serves a page that updates itself: `/` is the page, `/data.json` what it shows now.
//
//   NDCAO_ASSIGN(auto server, LiveServer::Start({"127.0.0.1", 8080}, page, data));
//   while (!interrupted) sleep;                    // answers come from threads of its own
//
// Whoever can reach the address can read the run; on a loopback address, only who asks by such a
// name. `data` is called by one thread at a time.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "ndcao/base/result.h"

namespace ndcao {

struct LiveAddress {
  std::string host = "127.0.0.1";
  int port = 0;  ///< 0: any that is free.
};

class LiveServer {
 public:
  /// kInvalid if the address cannot be listened on.
  static Result<std::unique_ptr<LiveServer>> Start(const LiveAddress& address, std::string page,
                                                   std::function<std::string()> data);
  virtual ~LiveServer() = default;  ///< Stops listening.

  /// The port that was chosen.
  virtual int port() const = 0;
};

}  // namespace ndcao
