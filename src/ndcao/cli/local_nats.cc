#include "ndcao/cli/local_nats.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <sstream>
#include <thread>

namespace ndcao {
namespace {

constexpr std::chrono::seconds kPatience(30);

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return address;
}

int FreePort() {
  const int probe = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof address;
  NDCAO_CHECK(::bind(probe, reinterpret_cast<sockaddr*>(&address), size) == 0);
  NDCAO_CHECK(::getsockname(probe, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  ::close(probe);
  return ntohs(address.sin_port);
}

bool Answers(int port) {
  const int probe = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = Loopback(port);
  const bool connected =
      ::connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(probe);
  return connected;
}

// In the PATH, or where system programs lie.
std::string FindProgram() {
  const char* path = std::getenv("PATH");
  std::istringstream places(std::string(path == nullptr ? "" : path) + ":/usr/sbin");
  for (std::string place; std::getline(places, place, ':');) {
    const std::string program = place + "/nats-server";
    if (::access(program.c_str(), X_OK) == 0) return program;
  }
  return "";
}

}  // namespace

Result<std::unique_ptr<LocalNats>> LocalNats::Start(const std::string& folder) {
  const std::string program = FindProgram();
  if (program.empty()) {
    return Invalid(
        "--journal nats: no nats-server is installed; install the package nats-server, or name one "
        "that runs: --journal nats://HOST:PORT");
  }
  const int port = FreePort();
  const std::string port_text = std::to_string(port);
  const pid_t process = ::fork();
  NDCAO_CHECK(process >= 0);
  if (process == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int nowhere = ::open("/dev/null", O_RDWR);
    ::dup2(nowhere, STDOUT_FILENO);
    ::dup2(nowhere, STDERR_FILENO);
    ::execl(program.c_str(), program.c_str(), "-a", "127.0.0.1", "-p", port_text.c_str(), "-js",
            "-sd", folder.c_str(), nullptr);
    ::_exit(1);
  }
  std::unique_ptr<LocalNats> server(new LocalNats(process, port));
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!Answers(port)) {
    if (std::chrono::steady_clock::now() > deadline) return Failed(program + " does not answer");
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return server;
}

LocalNats::~LocalNats() {
  ::kill(process_, SIGTERM);
  ::waitpid(process_, nullptr, 0);
}

std::string LocalNats::url() const { return fmt::format("nats://127.0.0.1:{}", port_); }

}  // namespace ndcao
