#include "ndcao/cli/local_nats.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

namespace ndcao {
namespace {

constexpr std::chrono::seconds kPatience(30);

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

// Which URL the server has chosen: it writes them to a file when it listens. Empty before.
std::string UrlIn(const std::string& ports_file) {
  std::ifstream file(ports_file);
  const auto ports = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (!ports.is_object() || !ports.contains("nats") || ports["nats"].empty()) return "";
  return ports["nats"].front().get<std::string>();
}

}  // namespace

Result<std::unique_ptr<LocalNats>> LocalNats::Start(const std::string& folder) {
  const std::string program = FindProgram();
  if (program.empty()) {
    return Invalid(
        "--journal nats: no nats-server is installed; install the package nats-server, or name one "
        "that runs: --journal nats://HOST:PORT");
  }
  std::error_code ignored;  // the server says what is wrong with its folder
  std::filesystem::create_directories(folder, ignored);
  const pid_t process = ::fork();
  NDCAO_CHECK(process >= 0);
  if (process == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int nowhere = ::open("/dev/null", O_RDWR);
    ::dup2(nowhere, STDOUT_FILENO);
    ::dup2(nowhere, STDERR_FILENO);
    ::execl(program.c_str(), program.c_str(), "-a", "127.0.0.1", "-p", "-1", "-js", "-sd",
            folder.c_str(), "--ports_file_dir", folder.c_str(), nullptr);
    ::_exit(1);
  }
  std::unique_ptr<LocalNats> server(new LocalNats(process));
  const std::string name = std::filesystem::path(program).filename();
  const std::string ports_file = fmt::format("{}/{}_{}.ports", folder, name, process);
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while ((server->url_ = UrlIn(ports_file)).empty()) {
    if (server->Ended()) return Failed(program + " ends at once: run it by hand to see why");
    if (std::chrono::steady_clock::now() > deadline) return Failed(program + " does not answer");
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return server;
}

bool LocalNats::Ended() {
  if (process_ != 0 && ::waitpid(process_, nullptr, WNOHANG) == process_) process_ = 0;
  return process_ == 0;
}

LocalNats::~LocalNats() {
  if (Ended()) return;
  ::kill(process_, SIGTERM);
  ::waitpid(process_, nullptr, 0);
}

}  // namespace ndcao
