#include "sedna/net/http_client.hpp"

#include <array>
#include <atomic>

#include "sedna/base/fork.hpp"
#include "sedna/base/log.hpp"
#include "sedna/net/http_exchange.hpp"
#include "sedna/net/http_parse.hpp"
#include "sedna/net/http_proxy.hpp"
#include "sedna/net/http_stream.hpp"
#include "sedna/net/resolve.hpp"
#include "sedna/net/tls.hpp"
#include "sedna/net/transport.hpp"

namespace sedna::net {
namespace {

struct Kept {
  explicit Kept(std::unique_ptr<Transport> transport) : connection(std::move(transport)) {}
  HttpConnection connection;
  std::uint64_t process = 0;
  SteadyClock::time_point since{};
};

// Kept connections without a lock, because a fork may happen while another thread is in here: a slot is emptied or
// filled by one exchange. Low slots are used first, so that those behind grow old and are dropped.
class Pool {
 public:
  explicit Pool(std::size_t size) : slots_(size) {}
  ~Pool() { clear(); }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  std::unique_ptr<Kept> take() {
    for (auto& slot : slots_) {
      if (slot.load(std::memory_order_relaxed) == nullptr) continue;
      if (Kept* kept = slot.exchange(nullptr, std::memory_order_acq_rel); kept != nullptr) {
        return std::unique_ptr<Kept>(kept);
      }
    }
    return nullptr;
  }

  void put(std::unique_ptr<Kept> kept) {
    for (auto& slot : slots_) {
      Kept* expected = nullptr;
      if (slot.compare_exchange_strong(expected, kept.get(), std::memory_order_acq_rel)) {
        static_cast<void>(kept.release());
        return;
      }
    }
  }

  void clear() {
    const std::uint64_t self = fork_generation();
    while (auto kept = take()) {
      if (kept->process == self) kept->connection.transport().farewell();
    }
  }

 private:
  std::vector<std::atomic<Kept*>> slots_;
};

bool is_idempotent(const HttpRequest& request) {
  static constexpr std::array<std::string_view, 6> kMethods{"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"};
  if (request.idempotent) return true;
  for (const std::string_view method : kMethods) {
    if (request.method == method) return true;
  }
  return false;
}

bool is_loopback_host(const std::string& host) {
  const auto literal = resolve_literal(host, 1);
  return !literal.empty() && literal.front().is_loopback();
}

}  // namespace

struct HttpClient::Impl {
  Impl(Url url, HttpClientOptions client_options)
      : origin(std::move(url)), options(std::move(client_options)), pool(options.max_idle) {
    if (origin.scheme != "http" && origin.scheme != "https") {
      throw Error(ErrorCode::kInvalidArgument, "expected an http:// or https:// URL",
                  origin.scheme + "://" + origin.host);
    }
    if (origin.scheme == "https") tls = TlsContext::client(options.tls);
    text = origin.scheme + "://" + origin.authority();
    if (!options.bearer_token.empty() && !tls && !is_loopback_host(origin.host)) {
      log::warning("a bearer token will be sent without TLS", {{"origin", text}});
    }
  }

  // A connection kept from before that still looks alive, if there is one.
  std::unique_ptr<Kept> take_kept() {
    const std::uint64_t self = fork_generation();
    const auto oldest = SteadyClock::now() - options.idle_timeout;
    while (auto kept = pool.take()) {
      // After fork both processes hold the socket: closing ours says nothing to the peer, and no word may be sent on
      // it.
      if (kept->process == self && kept->since >= oldest && kept->connection.transport().quiet()) return kept;
    }
    return nullptr;
  }

  Result<std::unique_ptr<Kept>> connect(Deadline deadline) {
    const Deadline until = deadline.earlier(Deadline::after(options.connect_timeout));
    auto transport = open(until);
    if (!transport) {
      const Error& error = transport.error();
      if (error.code() == ErrorCode::kDeadlineExceeded && !deadline.expired()) {
        return Error(ErrorCode::kUnavailable, "no connection within the connect timeout: " + error.message(), text);
      }
      return Error(error.code(), error.what(), text);
    }
    auto fresh = std::make_unique<Kept>(std::move(*transport));
    fresh->process = fork_generation();
    return fresh;
  }

  Result<std::unique_ptr<Transport>> open_tcp(Deadline until) {
    if (const auto proxy = proxy_of_this_process(); !proxy.empty())
      return connect_through_proxy(proxy, origin.host, origin.port, until);
    auto addresses = resolve(origin.host, origin.port, until);
    if (!addresses) return addresses.error();
    return connect_tcp(*addresses, until);
  }

  Result<std::unique_ptr<Transport>> open(Deadline until) {
    auto tcp = open_tcp(until);
    if (!tcp || !tls) return tcp;
    return connect_tls(std::move(*tcp), tls->native(),
                       options.tls.server_name.empty() ? origin.host : options.tls.server_name, until);
  }

  HttpOutcome exchange(const HttpRequest& request, Deadline deadline, const ResponseSinks& sinks) {
    const auto not_sent = [](Error error) {
      HttpOutcome outcome;
      outcome.failure = TransportFailure{std::move(error), false};
      return outcome;
    };
    const std::string subject = text + request.target.substr(0, request.target.find('?'));
    const auto head = serialize_head(request, origin, options);
    if (!head) return not_sent(head.error());
    if (deadline.expired()) {
      return not_sent(Error(ErrorCode::kDeadlineExceeded, "deadline passed before the request was sent", subject));
    }
    const ExchangeLimits limits{options.max_response_header, options.max_response_body};
    if (auto kept = take_kept()) {
      ExchangeResult result = kept->connection.exchange(request, *head, limits, deadline, sinks, subject);
      const bool stale = result.closed_by_peer && !result.answered_any;
      if (!stale || (result.accepted_any && (request.resumable || !is_idempotent(request))))
        return finish(std::move(kept), std::move(result));
    }
    auto fresh = connect(deadline);
    if (!fresh) return not_sent(fresh.error());
    ExchangeResult result = (*fresh)->connection.exchange(request, *head, limits, deadline, sinks, subject);
    return finish(std::move(*fresh), std::move(result));
  }

  HttpStreamOutcome open_stream(const HttpRequest& request, Deadline deadline) {
    HttpStreamOutcome outcome;
    const auto head = serialize_head(request, origin, options);
    if (!head) {
      outcome.failure = TransportFailure{head.error(), false};
      return outcome;
    }
    auto fresh = connect(deadline);
    if (!fresh) {
      outcome.failure = TransportFailure{fresh.error(), false};
      return outcome;
    }
    probe_while_silent((*fresh)->connection.transport().descriptor());
    const ExchangeLimits limits{options.max_response_header, options.max_response_body};
    auto stream = std::make_unique<BodyStream>(std::move((*fresh)->connection),
                                               text + request.target.substr(0, request.target.find('?')));
    outcome.failure = stream->begin(request, *head, limits, deadline);
    if (!outcome.failure) outcome.stream = std::move(stream);
    return outcome;
  }

  HttpOutcome finish(std::unique_ptr<Kept> kept, ExchangeResult result) {
    if (result.reusable) {
      kept->since = SteadyClock::now();
      pool.put(std::move(kept));
    }
    return std::move(result.outcome);
  }

  Url origin;
  HttpClientOptions options;
  std::string text;
  std::optional<TlsContext> tls;
  Pool pool;
};

HttpClient::HttpClient(std::string_view origin, HttpClientOptions options)
    : impl_(std::make_unique<Impl>(parse_url(origin).value(), std::move(options))) {}

HttpClient::~HttpClient() = default;

HttpOutcome HttpClient::exchange(const HttpRequest& request, Deadline deadline) {
  return impl_->exchange(request, deadline, ResponseSinks());
}

HttpOutcome HttpClient::exchange_to(const HttpRequest& request, Deadline deadline, const BodySink& sink,
                                    const HeadSink& head) {
  return impl_->exchange(request, deadline, ResponseSinks{&sink, &head});
}

HttpStreamOutcome HttpClient::open(const HttpRequest& request, Deadline deadline) {
  return impl_->open_stream(request, deadline);
}

void HttpClient::close_idle() {
  impl_->pool.clear();
}

const Url& HttpClient::origin() const {
  return impl_->origin;
}

HttpResponse http_get(std::string_view url, Deadline deadline, const HttpClientOptions& options) {
  constexpr int kMaxRedirects = 5;
  Url at = parse_url(url).value();
  HttpClientOptions current = options;
  current.max_idle = 0;
  for (int hop = 0;; ++hop) {
    HttpClient client(at.scheme + "://" + at.authority(), current);
    HttpRequest request;
    request.target = at.target;
    HttpOutcome outcome = client.exchange(request, deadline);
    if (outcome.failure) throw Error(outcome.failure->error);
    HttpResponse& response = *outcome.response;
    const bool redirect = response.status == 301 || response.status == 302 || response.status == 303 ||
                          response.status == 307 || response.status == 308;
    const auto location = response.headers.find("location");
    if (!redirect || !location) return std::move(response);
    const std::string subject = at.scheme + "://" + at.authority();
    if (hop == kMaxRedirects) throw Error(ErrorCode::kUnavailable, "more than 5 redirects", subject);
    Url next = resolve_reference(at, *location).value();
    if (at.scheme == "https" && next.scheme != "https") {
      throw Error(ErrorCode::kPermissionDenied, "refused a redirect from https to " + next.scheme, subject);
    }
    if (next.scheme != at.scheme || next.host != at.host || next.port != at.port) {
      // Secrets were meant for the first origin only.
      current.bearer_token.clear();
      current.tls.cert_file.clear();
      current.tls.key_file.clear();
    }
    at = std::move(next);
  }
}

}  // namespace sedna::net
