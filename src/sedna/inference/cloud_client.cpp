#include "sedna/inference/cloud_client.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <mutex>
#include <thread>
#include <utility>

#include "sedna/algo/circuit_breaker.hpp"
#include "sedna/algo/deadline_estimator.hpp"
#include "sedna/algo/retry.hpp"
#include "sedna/base/error.hpp"
#include "sedna/base/ids.hpp"
#include "sedna/base/log.hpp"
#include "sedna/inference/call_pool.hpp"
#include "sedna/inference/cloud_wire.hpp"
#include "sedna/worker/per_process.hpp"

namespace sedna::inference {
namespace {

constexpr std::size_t kStatuses = static_cast<std::size_t>(CloudStatus::kQueue) + 1;

std::string read_token(const std::string& file) {
  std::ifstream in(file);
  if (!in)
    throw Error(ErrorCode::kNotFound, std::string("cannot be read: ") + std::strerror(errno),
                "SEDNA_TOKEN_FILE " + file);
  std::string token;
  if (!std::getline(in, token) || token.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "holds no token in its first line", "SEDNA_TOKEN_FILE " + file);
  }
  while (!token.empty() && (token.back() == '\r' || token.back() == ' ')) token.pop_back();
  return token;
}

/// "host", "host:port" or "[v6]:port": BIG_MODEL_IP carries a Service name in Pods, and people write both in one.
void split_port(std::string& host, std::uint16_t& port) {
  const auto url =
      net::parse_url("http://" + (host.find(':') != host.rfind(':') && host.front() != '[' ? "[" + host + "]" : host));
  if (!url)
    throw Error(ErrorCode::kInvalidArgument, "is \"" + host + "\"; it must be a host name or address", "BIG_MODEL_IP");
  if (url->port != 80 || host.ends_with(":80")) port = url->port;
  host = url->host;
}

}  // namespace

CloudClientOptions CloudClientOptions::from_context(const worker::Context& context) {
  CloudClientOptions options;
  options.host = context.get_or("BIG_MODEL_IP", options.host);
  options.port = static_cast<std::uint16_t>(context.get_integer("BIG_MODEL_PORT", options.port, 1, 65535));
  split_port(options.host, options.port);
  options.service = context.job_name();
  options.model = context.get_or("SEDNA_CLOUD_MODEL", "");
  const std::string wire = context.get_or("SEDNA_CLOUD_WIRE", "auto");
  if (wire == "oip") {
    options.wire = CloudWire::kOip;
  } else if (wire == "json") {
    options.wire = CloudWire::kJson;
  } else if (wire != "auto") {
    throw Error(ErrorCode::kInvalidArgument, "is \"" + wire + "\"; it must be auto, oip or json", "SEDNA_CLOUD_WIRE");
  }
  const double ms = context.get_number("SEDNA_CLOUD_DEADLINE_MS", 1000, 1, 3.6e6);
  options.deadline = std::chrono::duration_cast<SteadyClock::duration>(std::chrono::duration<double, std::milli>(ms));
  options.http.tls.ca_file = context.get_or("SEDNA_CLOUD_TLS_CA", "");
  options.http.tls.cert_file = context.get_or("SEDNA_CLOUD_TLS_CERT", "");
  options.http.tls.key_file = context.get_or("SEDNA_CLOUD_TLS_KEY", "");
  options.tls = context.get_flag("SEDNA_CLOUD_TLS", !options.http.tls.ca_file.empty());
  if (const auto file = context.get("SEDNA_TOKEN_FILE")) options.http.bearer_token = read_token(*file);
  return options;
}

std::string_view cloud_status_name(CloudStatus status) {
  switch (status) {
    case CloudStatus::kAnswered:
      return "answered";
    case CloudStatus::kDeadline:
      return "deadline";
    case CloudStatus::kTransport:
      return "transport";
    case CloudStatus::kGarbage:
      return "garbage";
    case CloudStatus::kRefused:
      return "refused";
    case CloudStatus::kBreaker:
      return "breaker";
    case CloudStatus::kQueue:
      return "queue";
  }
  return "unknown";
}

algo::Reason reason_of(CloudStatus status) {
  switch (status) {
    case CloudStatus::kAnswered:
      return algo::Reason::kHard;
    case CloudStatus::kDeadline:
      return algo::Reason::kDeadline;
    case CloudStatus::kTransport:
      return algo::Reason::kTransport;
    case CloudStatus::kGarbage:
      return algo::Reason::kInvalid;
    case CloudStatus::kRefused:
      return algo::Reason::kRefused;
    case CloudStatus::kBreaker:
      return algo::Reason::kBreaker;
    case CloudStatus::kQueue:
      return algo::Reason::kQueue;
  }
  return algo::Reason::kTransport;
}

namespace {

constexpr const char* kLeftAlone = "the cloud failed repeatedly and is left alone for a while";

std::string origin_of(const CloudClientOptions& options) {
  net::Url url;
  url.scheme = options.tls ? "https" : "http";
  url.host = options.host;
  url.port = options.port;
  return url.scheme + "://" + url.authority();
}

net::HttpClientOptions http_options(const CloudClientOptions& options) {
  net::HttpClientOptions http = options.http;
  // Every thread of the asynchronous call keeps its connection.
  http.max_idle = std::max(http.max_idle, static_cast<std::size_t>(std::max(1, options.max_in_flight)));
  return http;
}

algo::CircuitBreakerOptions breaker_options(const CloudClientOptions& options) {
  algo::CircuitBreakerOptions breaker;
  breaker.consecutive_failures = static_cast<std::uint32_t>(std::max(1, options.breaker_failures));
  breaker.open_base = options.breaker_open;
  breaker.open_cap = std::max(options.breaker_open, options.breaker_open_max);
  return breaker;
}

CloudReply not_asked(CloudStatus status, std::string message) {
  CloudReply reply;
  reply.status = status;
  reply.message = std::move(message);
  return reply;
}

}  // namespace

struct CloudClient::Impl {
  Impl(CloudClientOptions client_options, metrics::Registry& registry);

  CloudAnswer ask(const CloudCall& call, Deadline deadline);
  CloudAnswer finish(CloudAnswer answer, CloudReply reply, SteadyClock::time_point started);
  CloudReply attempt(const CloudCall& call, Deadline deadline);
  /// Waits before a second attempt; false when there is none to be made.
  bool wait_to_retry(const CloudReply& reply, int attempts, Deadline deadline);
  /// Tells the breaker and the throttle how it went.
  void settle(algo::CircuitBreaker::Permit permit, const CloudReply& reply);
  std::shared_ptr<const CloudPeer> peer();
  void remember(std::shared_ptr<const CloudPeer> found);

  /// What this process knows of the cloud.
  struct Known {
    explicit Known(const CloudClientOptions& options) : breaker(breaker_options(options)) {}
    algo::CircuitBreaker breaker;
    algo::RetryThrottle throttle;
    algo::RetryBudget budget;
    algo::DeadlineEstimator estimator;
    std::mutex peer_mutex;
    std::shared_ptr<const CloudPeer> peer;  ///< null: ask again
  };

  const CloudClientOptions options;
  const std::string origin;
  net::HttpClient http;
  worker::PerProcess<Known> known;
  worker::PerProcess<CallPool> calls;
  std::array<metrics::Histogram*, kStatuses> seconds{};
  metrics::Gauge* breaker_gauge;
  metrics::Gauge* tokens_gauge;
  metrics::Counter* retries;
};

CloudClient::Impl::Impl(CloudClientOptions client_options, metrics::Registry& registry)
    : options(std::move(client_options)),
      origin(origin_of(options)),
      http(origin, http_options(options)),
      known([this] { return std::make_unique<Known>(options); }),
      calls([this] {
        return std::make_unique<CallPool>(static_cast<std::size_t>(std::max(1, options.max_in_flight)),
                                          options.max_queued);
      }),
      breaker_gauge(&registry.gauge("sedna_ji_breaker_state", "0 closed, 1 open, 2 half-open")),
      tokens_gauge(&registry.gauge("sedna_ji_retry_tokens", "Tokens left to the retry throttle")),
      retries(&registry.counter("sedna_ji_retries_total", "Second attempts of cloud calls")) {
  for (std::size_t i = 0; i < kStatuses; ++i) {
    seconds[i] = &registry.histogram("sedna_ji_cloud_seconds", "Time of a cloud call by its outcome",
                                     {{"outcome", std::string(cloud_status_name(static_cast<CloudStatus>(i)))}});
  }
  tokens_gauge->set(known.get().throttle.tokens());
}

std::shared_ptr<const CloudPeer> CloudClient::Impl::peer() {
  Known& mine = known.get();
  const std::lock_guard lock(mine.peer_mutex);
  return mine.peer;
}

void CloudClient::Impl::remember(std::shared_ptr<const CloudPeer> found) {
  Known& mine = known.get();
  const std::lock_guard lock(mine.peer_mutex);
  mine.peer = std::move(found);
}

CloudReply CloudClient::Impl::attempt(const CloudCall& call, Deadline deadline) {
  std::shared_ptr<const CloudPeer> asked = peer();
  if (!asked) {
    CloudDiscovery found = discover_peer(http, options, deadline);
    if (!found.peer) return std::move(found.failure);
    asked = found.peer;
    remember(asked);
  }
  CloudReply reply = exchange_call(http, options, *asked, call, deadline);
  if (reply.forget_peer) remember(nullptr);
  return reply;
}

bool CloudClient::Impl::wait_to_retry(const CloudReply& reply, int attempts, Deadline deadline) {
  if (!reply.asked) return false;
  if (!known.get().throttle.failed_may_retry() || !reply.may_retry || attempts >= options.max_attempts) return false;
  const algo::RetryBackoff backoff;
  const auto asked =
      std::chrono::duration_cast<std::chrono::microseconds>(reply.retry_after.value_or(SteadyClock::duration::zero()));
  const auto pause = backoff.delay(static_cast<unsigned>(attempts - 1), random_unit(), asked);
  const auto resume = SteadyClock::now() + pause;
  if (resume >= deadline.at()) return false;
  if (!known.get().budget.try_start_retry()) return false;
  std::this_thread::sleep_until(resume);
  retries->add();
  return true;
}

void CloudClient::Impl::settle(algo::CircuitBreaker::Permit permit, const CloudReply& reply) {
  const auto now = options.clock->now();
  algo::CircuitBreaker& breaker = known.get().breaker;
  algo::RetryThrottle& throttle = known.get().throttle;
  const auto before = breaker.state();
  if (reply.alive) {
    breaker.succeeded(permit, now);
    throttle.succeeded();
  } else if (reply.asked) {
    breaker.failed(permit, now);
  } else {
    breaker.abandoned(permit);
  }
  tokens_gauge->set(throttle.tokens());
  const auto after = breaker.state();
  breaker_gauge->set(static_cast<double>(after));
  if (before == after) return;
  if (after == algo::CircuitBreaker::State::kOpen) {
    log::warning("The cloud fails and is left alone for a while; the edge answers",
                 {{"cloud", origin}, {"error", reply.message}});
  } else if (after == algo::CircuitBreaker::State::kClosed) {
    log::info("The cloud answers again", {{"cloud", origin}});
  }
}

CloudAnswer CloudClient::Impl::ask(const CloudCall& call, Deadline deadline) {
  using Admission = algo::CircuitBreaker::Admission;
  const auto started = SteadyClock::now();
  const Deadline until = deadline.is_never() ? Deadline(started + options.deadline) : deadline;
  CloudAnswer answer;
  if (until.at() <= started) {  // it has waited here for too long, which says nothing about the cloud
    return finish(std::move(answer),
                  not_asked(CloudStatus::kDeadline, "the deadline passed before the cloud was asked"), started);
  }
  Known& mine = known.get();
  algo::CircuitBreaker& breaker = mine.breaker;
  algo::CircuitBreaker::Permit permit = breaker.admit(options.clock->now());
  if (permit.admission == Admission::kProbe) {
    breaker_gauge->set(static_cast<double>(breaker.state()));
    const CloudReply reply = probe_ready(http, options, peer().get(), until);
    remember(nullptr);  // what comes back may be another server: a new epoch
    settle(permit, reply);
    if (!reply.alive) {
      return finish(std::move(answer),
                    not_asked(CloudStatus::kBreaker, "the cloud is still not well: " + reply.message), started);
    }
    permit = breaker.admit(options.clock->now());
  }
  if (!permit || permit.admission == Admission::kProbe) {
    breaker.abandoned(permit);
    return finish(std::move(answer), not_asked(CloudStatus::kBreaker, kLeftAlone), started);
  }
  mine.budget.request_started();
  CloudReply reply;
  for (bool retrying = false;; retrying = true) {
    ++answer.attempts;
    reply = attempt(call, until);
    answer.bytes_up += reply.bytes_up;
    answer.bytes_down += reply.bytes_down;
    answer.uploaded = answer.uploaded || reply.uploaded;
    if (retrying) mine.budget.retry_ended();
    if (reply.alive || !wait_to_retry(reply, answer.attempts, until)) break;
  }
  mine.budget.request_ended();
  settle(permit, reply);
  if (reply.status == CloudStatus::kAnswered) mine.estimator.observe(SteadyClock::now() - started);
  return finish(std::move(answer), std::move(reply), started);
}

CloudAnswer CloudClient::Impl::finish(CloudAnswer answer, CloudReply reply, SteadyClock::time_point started) {
  answer.status = reply.status;
  answer.http_status = reply.http_status;
  answer.message = std::move(reply.message);
  answer.outputs = std::move(reply.outputs);
  answer.json = std::move(reply.json);
  answer.latency = SteadyClock::now() - started;
  seconds[static_cast<std::size_t>(answer.status)]->observe(std::chrono::duration<double>(answer.latency).count());
  return answer;
}

CloudClient::CloudClient(CloudClientOptions options, metrics::Registry& registry)
    : impl_(std::make_shared<Impl>(std::move(options), registry)) {}

CloudClient::~CloudClient() {
  impl_->calls.reset();
}

CloudAnswer CloudClient::ask(const CloudCall& call, Deadline deadline) {
  return impl_->ask(call, deadline);
}

void CloudClient::ask_async(CloudCall call, Deadline deadline, Callback done) {
  const Deadline until = deadline.is_never() ? Deadline::after(impl_->options.deadline) : deadline;
  const auto kept = std::make_shared<std::pair<CloudCall, Callback>>(std::move(call), std::move(done));
  CallPool::Job job = [impl = impl_, kept, until] { kept->second(impl->ask(kept->first, until)); };
  const bool open = !available();
  if (!open && impl_->calls.get().submit(job)) return;
  kept->second(impl_->finish(CloudAnswer(),
                             open ? not_asked(CloudStatus::kBreaker, kLeftAlone)
                                  : not_asked(CloudStatus::kQueue, "too many calls wait for the cloud"),
                             SteadyClock::now()));
}

BreakerState CloudClient::breaker_state() const {
  return static_cast<BreakerState>(impl_->known.get().breaker.state());
}
bool CloudClient::available() const {
  return impl_->known.get().breaker.would_admit(impl_->options.clock->now());
}
bool CloudClient::fits(std::uint64_t bytes, SteadyClock::duration left) const {
  return impl_->known.get().estimator.fits(bytes, left);
}
const CloudClientOptions& CloudClient::options() const {
  return impl_->options;
}

}  // namespace sedna::inference
