#include "sedna/store/kube/kube_connection.hpp"

#include <charconv>

#include "sedna/base/ids.hpp"
#include "sedna/net/http.hpp"
#include "sedna/net/resolve.hpp"

namespace sedna::store {
namespace {

constexpr int kMaxAttempts = 10;
constexpr std::size_t kMaxErrorBody = std::size_t{1} << 20;
constexpr auto kWatchListAgain = std::chrono::minutes(10);

net::HttpClientOptions client_options(const KubeConfig& config, const KubeClientOptions& options) {
  net::HttpClientOptions out;
  out.tls.ca_file = config.ca_file;
  out.tls.ca_pem = config.ca_pem;
  out.tls.cert_file = config.cert_file;
  out.tls.cert_pem = config.cert_pem;
  out.tls.key_file = config.key_file;
  out.tls.key_pem = config.key_pem;
  out.tls.server_name = config.tls_server_name;
  out.tls.verify = !config.insecure;
  out.user_agent = options.user_agent;
  out.max_idle = options.max_idle_connections;
  out.max_response_body = options.max_body;
  return out;
}

bool is_loopback(const std::string& host) {
  const auto literal = net::resolve_literal(host, 1);
  return !literal.empty() && literal.front().is_loopback();
}

/// Seconds; dates and nonsense count as nothing.
std::optional<int> retry_after(std::string_view text) {
  int seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || seconds < 0) return std::nullopt;
  return seconds;
}

}  // namespace

Status status_of_answer(int http_status, std::string_view body) {
  if (auto tree = json::parse(body); tree && tree->is_object()) {
    const json::value* kind = tree->get_object().if_contains("kind");
    if (kind != nullptr && kind->is_string() && kind->get_string() == "Status")
      return Status::from_json(tree->get_object(), http_status);
  }
  Status status = Status::from_json({}, http_status);
  while (!body.empty() && (body.back() == '\n' || body.back() == '\r')) body.remove_suffix(1);
  status.message = body.empty() ? "the server answered " + std::to_string(http_status) + " " +
                                      std::string(net::reason_phrase(http_status))
                                : std::string(body.substr(0, 300));
  return status;
}

KubeConnection::KubeConnection(KubeConfig config, KubeClientOptions options)
    : config_(std::move(config)), options_(std::move(options)), token_(config_.token, config_.token_file) {
  const net::Url url = net::parse_url(config_.server).value();
  const bool secret = !config_.token.empty() || !config_.token_file.empty();
  if (url.scheme == "http" && secret && !is_loopback(url.host)) {
    throw Error(ErrorCode::kInvalidArgument,
                "a token would be sent over the network without TLS: the URL must be https", config_.server);
  }
  prefix_ = url.target.substr(0, url.target.find('?'));
  while (!prefix_.empty() && prefix_.back() == '/') prefix_.pop_back();
  http_ = std::make_unique<net::HttpClient>(url.scheme + "://" + url.authority(), client_options(config_, options_));
}

Status KubeConnection::shutting_down() const {
  Status status;
  status.code = 503;
  status.reason = "ServiceUnavailable";
  status.message = "this program is ending";
  return status;
}

Status KubeConnection::unreachable(const net::TransportFailure& failure) const {
  Status status;
  const ErrorCode code = failure.error.code();
  const bool late = code == ErrorCode::kDeadlineExceeded;
  const bool ours = code == ErrorCode::kResourceExhausted || code == ErrorCode::kInvalidArgument;
  status.code = late ? 504 : ours ? 500 : 503;
  status.reason = late ? "Timeout" : ours ? "InternalError" : "ServiceUnavailable";
  status.message = ours ? std::string(failure.error.what())
                        : "no answer from the API server " + config_.server + ": " + failure.error.message();
  status.may_have_executed = failure.may_have_executed;
  return status;
}

bool KubeConnection::wait(SteadyClock::duration time) {
  std::unique_lock lock(mutex_);
  return !closing_changed_.wait_for(lock, time, [this] { return closing_; });
}

std::optional<Status> KubeConnection::persist(net::HttpRequest& request, Deadline deadline,
                                              const std::function<Attempt()>& attempt) {
  if (request.target.empty() || request.target.front() != '/') request.target.insert(0, 1, '/');
  request.target.insert(0, prefix_);
  if (!request.headers.find("accept")) request.headers.add("Accept", "application/json");
  bool renewed = false;
  for (int tries = 1;; ++tries) {
    {
      const std::lock_guard lock(mutex_);
      if (closing_) return shutting_down();
    }
    const std::string token = token_.token();
    if (!token.empty()) request.headers.set("Authorization", "Bearer " + token);
    Attempt result = attempt();
    if (!result.failure) return std::nullopt;
    Status& status = *result.failure;
    if (result.status == 401 && !renewed && token_.refused(token)) {
      renewed = true;
      continue;
    }
    const auto asked = retry_after(result.retry_after);
    if (asked && !status.retry_after_seconds) status.retry_after_seconds = asked;
    // 429 says that nothing was done; 503 says so only together with a time to come back.
    const bool again = result.status == 429 || (result.status == 503 && asked);
    if (!again || tries == kMaxAttempts) return std::move(status);
    // Many clients were told the same: they should not come back together.
    const auto pause = std::chrono::duration_cast<SteadyClock::duration>(
        std::chrono::duration<double>(asked.value_or(1) + 0.5 * random_unit()));
    if (pause >= deadline.remaining()) return std::move(status);
    if (!wait(pause)) return shutting_down();
  }
}

Outcome<net::HttpResponse> KubeConnection::exchange(net::HttpRequest request, Deadline deadline) {
  net::HttpResponse answer;
  const auto attempt = [&]() -> Attempt {
    net::HttpOutcome outcome = http_->exchange(request, deadline);
    if (outcome.failure) return {0, unreachable(*outcome.failure), {}};
    answer = std::move(*outcome.response);
    if (answer.status < 400) return {answer.status, std::nullopt, {}};
    return {answer.status, status_of_answer(answer.status, answer.body.text()),
            std::string(answer.headers.get("retry-after"))};
  };
  if (auto failure = persist(request, deadline, attempt)) return std::move(*failure);
  return answer;
}

Outcome<std::unique_ptr<net::HttpStream>> KubeConnection::open(net::HttpRequest request, Deadline deadline) {
  std::unique_ptr<net::HttpStream> stream;
  const auto attempt = [&]() -> Attempt {
    net::HttpStreamOutcome outcome = http_->open(request, deadline);
    if (outcome.failure) return {0, unreachable(*outcome.failure), {}};
    stream = std::move(outcome.stream);
    const int status = stream->head().status;
    if (status < 400) return {status, std::nullopt, {}};
    std::string body;
    while (body.size() < kMaxErrorBody) {
      const net::HttpStream::Piece piece = stream->next(deadline);
      if (piece.state != net::HttpStream::Piece::State::kData) break;
      body.append(reinterpret_cast<const char*>(piece.data.data()), piece.data.size());
    }
    return {status, status_of_answer(status, body), std::string(stream->head().headers.get("retry-after"))};
  };
  if (auto failure = persist(request, deadline, attempt)) return std::move(*failure);
  return stream;
}

bool KubeConnection::add(net::HttpStream* stream) {
  const std::lock_guard lock(mutex_);
  if (closing_) return false;
  streams_.insert(stream);
  return true;
}

void KubeConnection::remove(net::HttpStream* stream) {
  const std::lock_guard lock(mutex_);
  streams_.erase(stream);
}

void KubeConnection::shutdown() {
  const std::lock_guard lock(mutex_);
  closing_ = true;
  for (net::HttpStream* stream : streams_) stream->interrupt();
  closing_changed_.notify_all();
}

bool KubeConnection::watch_list_refused() const {
  const std::lock_guard lock(mutex_);
  return watch_list_refused_ && SteadyClock::now() - *watch_list_refused_ < kWatchListAgain;
}

void KubeConnection::refuse_watch_list() {
  const std::lock_guard lock(mutex_);
  watch_list_refused_ = SteadyClock::now();
}

}  // namespace sedna::store
