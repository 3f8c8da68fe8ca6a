#include "ndcao/journal/nats/connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

#include "ndcao/base/log.h"

namespace ndcao {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kConnectWait{3000};
constexpr milliseconds kReconnectWait{200};
constexpr milliseconds kPingInterval{5000};
constexpr milliseconds kLongestPause{1000};
constexpr milliseconds kClosing{5000};
// A subscription is made with the server's answer to a request, which the reading thread hands over
// after all that came before: it has long left a subscription that ended so many ago.
constexpr std::size_t kRetired = 4;
// nats.c 3.4 sends no signature if its first byte is 0, as is one in 256, and is refused. The
// server gives every connection another nonce to sign.
constexpr int kNonces = 3;

std::vector<std::string> SplitUrls(const std::string& text) {
  std::vector<std::string> urls;
  std::istringstream in(text);
  for (std::string url; std::getline(in, url, ',');) urls.push_back(url);
  // Only the first has to say how: nats://a:4222,b:4222
  const std::string scheme = urls.front().substr(0, urls.front().find("//") + 2);
  for (std::string& url : urls) {
    if (url.find("//") == std::string::npos) url = scheme + url;
  }
  return urls;
}

// The public key in a seed file: the line that begins with U.
Result<std::string> PublicKey(const std::string& path) {
  std::ifstream file(path);
  if (!file) return Invalid(fmt::format("--nkey {}: the file cannot be read", path));
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('U')) return line;
  }
  return Invalid(fmt::format(
      "--nkey {}: expected the seed (SU…) in one line and the public key (U…) in another", path));
}

Status Check(const std::string& what, natsStatus status) {
  if (status == NATS_OK) return Ok();
  return Invalid(fmt::format("{}: {}", what, natsStatus_GetText(status)));
}

}  // namespace

Result<std::unique_ptr<Connection>> Connection::Open(const NatsOptions& options) {
  NDCAO_TRY(options.Validate());
  std::unique_ptr<Connection> self(new Connection(options));
  OptionsHandle raw;
  NDCAO_TRY(Check("libnats", natsOptions_Create(Out(raw))));
  NDCAO_TRY(self->Configure(raw.get()));
  NDCAO_TRY(self->ConfigureIdentity(raw.get()));
  int nonces = options.nkey.empty() && options.credentials.empty() ? 1 : kNonces;
  natsStatus status = NATS_OK;
  do {
    status = natsConnection_Connect(Out(self->connection_), raw.get());
  } while (status == NATS_CONNECTION_AUTH_FAILED && --nonces > 0);
  if (status != NATS_OK) return self->Refusal(status);
  NDCAO_TRY(self->CheckJetStream());
  return self;
}

Connection::~Connection() {
  if (connection_ == nullptr) return;
  natsConnection_Close(connection_.get());  // joins the library's reading thread
  std::unique_lock lock(mutex_);
  // The callbacks come one after another in another thread of the library; this is the last one.
  changed_.wait_for(lock, kClosing, [this] { return closed_; });
}

void Connection::Retire(SubscriptionHandle subscription) {
  if (subscription == nullptr) return;
  natsSubscription_Unsubscribe(subscription.get());
  const std::lock_guard lock(mutex_);
  retired_.push_back(std::move(subscription));
  if (retired_.size() > kRetired) retired_.pop_front();
}

Status Connection::Configure(natsOptions* raw) {
  const std::vector<std::string> urls = SplitUrls(options_.url);
  std::vector<const char*> texts;
  for (const std::string& url : urls) texts.push_back(url.c_str());
  NDCAO_TRY(Check("--journal " + options_.ShownUrl(),
                  natsOptions_SetServers(raw, texts.data(), static_cast<int>(texts.size()))));
  natsOptions_SetName(raw, ("ndcao " + options_.writer).c_str());
  natsOptions_SetTimeout(raw, kConnectWait.count());
  natsOptions_SetMaxReconnect(raw, -1);
  natsOptions_SetReconnectWait(raw, kReconnectWait.count());
  natsOptions_SetReconnectJitter(raw, 100, 100);
  natsOptions_SetPingInterval(raw, kPingInterval.count());
  natsOptions_SetSendAsap(raw, true);
  natsOptions_SetFailRequestsOnDisconnect(raw, true);
  natsOptions_SetReconnectedCB(raw, OnReconnect, this);
  natsOptions_SetErrorHandler(raw, OnError, this);
  natsOptions_SetClosedCB(raw, OnClosed, this);
  return Ok();
}

Status Connection::ConfigureIdentity(natsOptions* raw) {
  const NatsOptions& o = options_;
  if (!o.inbox_prefix.empty()) {
    NDCAO_TRY(Check("--inbox-prefix " + o.inbox_prefix,
                    natsOptions_SetCustomInboxPrefix(raw, o.inbox_prefix.c_str())));
  }
  if (!o.user.empty()) {
    NDCAO_TRY(Check("user", natsOptions_SetUserInfo(raw, o.user.c_str(), o.password.c_str())));
  }
  if (!o.token.empty()) NDCAO_TRY(Check("token", natsOptions_SetToken(raw, o.token.c_str())));
  if (!o.credentials.empty()) {
    if (!std::ifstream(o.credentials)) {
      return Invalid(fmt::format("--creds {}: the file cannot be read", o.credentials));
    }
    NDCAO_TRY(Check("--creds " + o.credentials,
                    natsOptions_SetUserCredentialsFromFiles(raw, o.credentials.c_str(), nullptr)));
  }
  if (!o.nkey.empty()) {
    NDCAO_ASSIGN(const std::string key, PublicKey(o.nkey));
    NDCAO_TRY(
        Check("--nkey " + o.nkey, natsOptions_SetNKeyFromSeed(raw, key.c_str(), o.nkey.c_str())));
  }
  // With nothing but tls://, by the certificates that the system trusts.
  const bool tls = o.url.starts_with("tls://") || !o.ca.empty() || !o.certificate.empty();
  if (tls) natsOptions_SetSecure(raw, true);
  if (!o.ca.empty()) {
    NDCAO_TRY(Check("--tls-ca " + o.ca, natsOptions_LoadCATrustedCertificates(raw, o.ca.c_str())));
  }
  if (!o.certificate.empty()) {
    NDCAO_TRY(Check(fmt::format("--tls-cert {}, --tls-key {}", o.certificate, o.key),
                    natsOptions_LoadCertificatesChain(raw, o.certificate.c_str(), o.key.c_str())));
  }
  return Ok();
}

Error Connection::NoTls(natsStatus status) const {
  const char* detail = nats_GetLastError(nullptr);
  const bool more = detail != nullptr && *detail != 0;
  return Invalid(
      fmt::format("--journal {}: no TLS connection ({}); check --tls-ca, --tls-cert and --tls-key",
                  options_.ShownUrl(), more ? detail : natsStatus_GetText(status)));
}

// A sentence for whoever typed --journal.
Error Connection::Refusal(natsStatus status) const {
  const std::string where = "--journal " + options_.ShownUrl();
  switch (status) {
    case NATS_NO_SERVER:
      return Invalid(where +
                     ": no NATS server answers there; start one ('nats-server -js'), or correct "
                     "host and port");
    case NATS_CONNECTION_AUTH_FAILED:
    case NATS_NOT_PERMITTED:
      return Invalid(where +
                     ": the server does not let us in; say who we are with --creds, --nkey or "
                     "--tls-cert and --tls-key");
    case NATS_SSL_ERROR:
    case NATS_SECURE_CONNECTION_WANTED:
    case NATS_SECURE_CONNECTION_REQUIRED:
      return NoTls(status);
    default:
      if (options_.url.starts_with("tls://")) return NoTls(status);
      return Invalid(fmt::format(
          "{}: what answers there is no NATS server, or it cannot be reached ({}); correct host "
          "and port",
          where, natsStatus_GetText(status)));
  }
}

Status Connection::CheckJetStream() {
  jsOptions options;
  jsOptions_Init(&options);
  options.Wait = kConnectWait.count();
  natsStatus status = natsConnection_JetStream(Out(js_), connection_.get(), &options);
  if (status != NATS_OK) return Failure("JetStream", status);
  bool enabled = false;
  return Persist(options_, "JetStream", [&]() -> Result<bool> {
    jsAccountInfo* info = nullptr;
    jsErrCode code = {};
    status = js_GetAccountInfo(&info, js_.get(), nullptr, &code);
    jsAccountInfo_Destroy(info);
    enabled = status == NATS_OK;
    // A cluster that elects is not there for some seconds; a server without JetStream never is.
    const bool never = status == NATS_NO_RESPONDERS || code == JSNotEnabledErr ||
                       code == JSNotEnabledForAccountErr;
    if (enabled) return true;
    if (never || !IsPassing(status)) {
      return Invalid(fmt::format(
          "--journal {}: the server has no JetStream for us; start it with 'nats-server -js', or "
          "give this account JetStream",
          options_.ShownUrl()));
    }
    return false;
  });
}

void Connection::OnReconnect(natsConnection*, void* self) {
  ++static_cast<Connection*>(self)->epoch_;
}

void Connection::OnError(natsConnection* connection, natsSubscription*, natsStatus, void* self) {
  const char* text = nullptr;
  natsConnection_GetLastError(connection, &text);
  if (text == nullptr || std::string_view(text).find("ermission") == std::string_view::npos) return;
  auto* me = static_cast<Connection*>(self);
  const std::lock_guard lock(me->mutex_);
  me->violation_ = text;
}

void Connection::OnClosed(natsConnection*, void* self) {
  auto* me = static_cast<Connection*>(self);
  const std::lock_guard lock(me->mutex_);
  me->closed_ = true;
  me->changed_.notify_all();
}

Status Connection::CheckAllowed(const std::string& subject) const {
  const std::lock_guard lock(mutex_);
  if (violation_.find(subject) == std::string::npos) return Ok();
  return Failed(
      fmt::format("the server does not let '{}' do this ({})", options_.writer, violation_));
}

Error Connection::Failure(const std::string& what, natsStatus status) {
  const char* detail = nats_GetLastError(nullptr);
  const bool more = detail != nullptr && *detail != 0;
  return Failed(fmt::format("{}: {}{}{}", what, natsStatus_GetText(status), more ? ": " : "",
                            more ? detail : ""));
}

bool IsPassing(natsStatus status) {
  switch (status) {
    case NATS_TIMEOUT:
    case NATS_NO_RESPONDERS:
    case NATS_CONNECTION_DISCONNECTED:
    case NATS_STALE_CONNECTION:
    case NATS_NO_SERVER:
    case NATS_IO_ERROR:
    case NATS_NOT_YET_CONNECTED:
      return true;
    default:
      return false;
  }
}

bool Pause(const NatsOptions& options, milliseconds time) {
  constexpr milliseconds kStep{20};
  for (milliseconds left = time; left.count() > 0; left -= kStep) {
    if (options.cancelled()) return false;
    std::this_thread::sleep_for(std::min(left, kStep));
  }
  return true;
}

Status Persist(const NatsOptions& options, const std::string& what,
               const std::function<Result<bool>()>& attempt) {
  const auto deadline = std::chrono::steady_clock::now() + options.patience;
  bool told = false;
  for (milliseconds pause{20};; pause = std::min(2 * pause, kLongestPause)) {
    NDCAO_ASSIGN(const bool done, attempt());
    if (done) return Ok();
    if (std::chrono::steady_clock::now() >= deadline) {
      return Failed(fmt::format("{}: the server at {} has not answered for {} s", what,
                                options.ShownUrl(), options.patience.count() / 1000));
    }
    if (!told && pause >= kLongestPause) {
      spdlog::warn("{}: the server at {} does not answer; trying again", what, options.ShownUrl());
      told = true;
    }
    if (!Pause(options, pause)) {
      return Error(ErrorCode::kCancelled, what + ": stopped while the server did not answer");
    }
  }
}

}  // namespace ndcao
