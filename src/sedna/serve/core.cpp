#include "sedna/serve/core.hpp"

#include <ctime>

#include "sedna/base/process_metrics.hpp"

namespace sedna::serve {

Core::Core(ServerOptions o, metrics::Registry& r)
    : options(std::move(o)),
      registry(r),
      connections_gauge(r.gauge("sedna_http_connections", "Connections open.")),
      in_flight_gauge(r.gauge("sedna_http_requests_in_flight", "Requests in handlers.")),
      websockets_gauge(r.gauge("sedna_http_websockets", "WebSockets open.")),
      connections_total(r.counter("sedna_http_connections_total", "Connections accepted.")),
      connections_refused(r.counter("sedna_http_connections_refused_total", "Connections refused: too many.")),
      bytes_received(r.counter("sedna_http_received_bytes_total", "Bytes received, heads and bodies.")),
      bytes_sent(r.counter("sedna_http_sent_bytes_total", "Bytes sent, heads and bodies.")),
      refused_requests(r.counter("sedna_http_requests_refused_total",
                                 "Requests refused before a route was known: malformed, late or too large.")) {}

std::optional<Identity> Core::identity_of(std::string_view token) const {
  if (options.find_identity) return options.find_identity(token);
  const identity::Principal* principal = tokens.find(token);
  return principal == nullptr ? std::nullopt : std::optional<Identity>(*principal);
}

void Core::gone() {
  // Under the lock: the waiter may destroy us as soon as it sees zero.
  const std::lock_guard lock(mutex_);
  const std::size_t left = connections.fetch_sub(1) - 1;
  connections_gauge.set(static_cast<double>(left));
  if (left == 0) empty_.notify_all();
}

bool Core::wait_until_empty(SteadyClock::duration limit) {
  std::unique_lock lock(mutex_);
  return empty_.wait_for(lock, limit, [&] { return connections.load() == 0; });
}

net::Task<Response> answer_ready(const Core& core, Request&) {
  const Core::Readiness readiness = core.readiness();
  if (core.draining) co_return Response::text(503, "draining\n");
  if (!readiness.ready) co_return Response::text(503, "not ready: " + readiness.reason + "\n");
  co_return Response::text(200, "ok\n");
}

net::Task<Response> answer_metrics(Core& core, Request&) {
  std::string text = core.registry.render() + metrics::render_process();
  co_return Response::text(200, std::move(text), "text/plain; version=0.0.4; charset=utf-8");
}

void Core::set_readiness(Readiness value) {
  const std::lock_guard lock(mutex_);
  readiness_ = std::move(value);
}

Core::Readiness Core::readiness() const {
  const std::lock_guard lock(mutex_);
  return readiness_;
}

std::string_view Loop::date_line(SteadyClock::time_point now) {
  if (now >= date_until_) {
    const std::time_t wall = std::time(nullptr);
    std::tm parts{};
    gmtime_r(&wall, &parts);
    char text[64];
    // The C locale's names are what HTTP wants; a process that sets another locale must not change the header.
    static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                              "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const int n = std::snprintf(text, sizeof text, "Date: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n",
                                kDays[parts.tm_wday], parts.tm_mday, kMonths[parts.tm_mon], parts.tm_year + 1900,
                                parts.tm_hour, parts.tm_min, parts.tm_sec);
    date_.assign(text, static_cast<std::size_t>(n));
    date_until_ = now + std::chrono::milliseconds(500);
  }
  return date_;
}

}  // namespace sedna::serve
