#include "ndcao/report/live_server.h"

#include <arpa/inet.h>
#include <httplib.h>

#include <mutex>
#include <thread>
#include <utility>

namespace ndcao {
namespace {

/// "[::1]:8080" → "::1", "localhost:8080" → "localhost".
std::string HostOf(const std::string& authority) {
  if (authority.starts_with('[')) return authority.substr(1, authority.find(']') - 1);
  return authority.substr(0, authority.find(':'));
}

bool IsLoopback(const std::string& host) {
  in_addr v4{};
  const bool is_v4 = inet_pton(AF_INET, host.c_str(), &v4) == 1;  // "127.example.com" is not
  return host == "localhost" || host == "::1" || (is_v4 && ntohl(v4.s_addr) >> 24 == 127);
}

class HttpServer : public LiveServer {
 public:
  HttpServer(std::string page, std::function<std::string()> data)
      : page_(std::move(page)), data_(std::move(data)) {
    server_.Get("/", [this](const httplib::Request&, httplib::Response& response) {
      response.set_content(page_, "text/html; charset=utf-8");
    });
    server_.Get("/data.json", [this](const httplib::Request&, httplib::Response& response) {
      const std::lock_guard lock(mutex_);
      response.set_header("Cache-Control", "no-store");
      response.set_content(data_(), "application/json");
    });
  }

  ~HttpServer() override {
    server_.stop();
    if (thread_.joinable()) thread_.join();
  }

  bool Listen(const LiveAddress& address) {
    // A page from elsewhere can have its own name resolve to this machine, and would then read what
    // is served here as its own; but it cannot ask for it by another name.
    if (IsLoopback(address.host)) {
      server_.set_pre_routing_handler(
          [](const httplib::Request& request, httplib::Response& response) {
            if (IsLoopback(HostOf(request.get_header_value("Host")))) {
              return httplib::Server::HandlerResponse::Unhandled;
            }
            response.status = 403;
            response.set_content("this page is for this machine alone: ask for localhost\n",
                                 "text/plain");
            return httplib::Server::HandlerResponse::Handled;
          });
    }
    // A connection that stays open would keep the end waiting.
    server_.set_keep_alive_max_count(1);
    server_.set_read_timeout(2);
    // Not SO_REUSEPORT, the library's choice: two servers would share a port without a word.
    server_.set_socket_options([](socket_t socket) {
      const int yes = 1;
      setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    });
    port_ = address.port;
    if (port_ == 0) {
      port_ = server_.bind_to_any_port(address.host.c_str());
      if (port_ < 0) return false;
    } else if (!server_.bind_to_port(address.host.c_str(), port_)) {
      return false;
    }
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();
    return true;
  }

  int port() const override { return port_; }

 private:
  const std::string page_;
  const std::function<std::string()> data_;
  std::mutex mutex_;  // one call of data_ at a time
  httplib::Server server_;
  std::thread thread_;
  int port_ = 0;
};

}  // namespace

Result<std::unique_ptr<LiveServer>> LiveServer::Start(const LiveAddress& address, std::string page,
                                                      std::function<std::string()> data) {
  auto server = std::make_unique<HttpServer>(std::move(page), std::move(data));
  if (!server->Listen(address)) {
    return Invalid("cannot listen on " + address.host + ":" + std::to_string(address.port) +
                   ": the address is not this machine's, or the port is taken");
  }
  return std::unique_ptr<LiveServer>(std::move(server));
}

}  // namespace ndcao
