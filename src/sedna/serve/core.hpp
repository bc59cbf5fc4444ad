// What every connection of one server shares, and the io threads it runs on. Internal to the server core.
#pragma once

#include <atomic>
#include <condition_variable>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include <boost/asio/io_context.hpp>

#include "sedna/identity/token_table.hpp"
#include "sedna/net/tls.hpp"
#include "sedna/serve/router.hpp"
#include "sedna/serve/server.hpp"
#include "sedna/serve/timers.hpp"

namespace sedna::serve {

namespace asio = net::asio;

class Connection;

/// Settings, routes and figures. Routes and settings are fixed once the server has started; the rest is thread-safe.
struct Core {
  Core(ServerOptions o, metrics::Registry& r);
  ServerOptions options;
  metrics::Registry& registry;
  Router router;
  identity::TokenTable tokens;
  std::optional<net::TlsContext> tls;
  bool need_identity() const {
    return !tokens.empty() || !options.tls.client_ca_file.empty() || options.find_identity != nullptr;
  }
  /// Whom a bearer token stands for.
  std::optional<Identity> identity_of(std::string_view token) const;

  std::atomic<bool> draining{false};
  std::atomic<std::size_t> connections{0};
  std::atomic<std::size_t> in_handlers{0};  ///< long-lived ones not counted

  /// A connection has ended.
  void gone();
  /// True when the last connection ended in time.
  bool wait_until_empty(SteadyClock::duration limit);

  struct Readiness {
    bool ready = false;
    std::string reason;
  };
  void set_readiness(Readiness value);
  Readiness readiness() const;

  metrics::Gauge& connections_gauge;
  metrics::Gauge& in_flight_gauge;
  metrics::Gauge& websockets_gauge;
  metrics::Counter& connections_total;
  metrics::Counter& connections_refused;
  metrics::Counter& bytes_received;
  metrics::Counter& bytes_sent;
  metrics::Counter& refused_requests;  ///< malformed, timed out or too large before a route was known

 private:
  mutable std::mutex mutex_;
  std::condition_variable empty_;
  Readiness readiness_;
};

net::Task<Response> answer_ready(const Core& core, Request& request);
net::Task<Response> answer_metrics(Core& core, Request& request);

/// One io thread with its connections. Everything but `io` is touched on that thread only.
struct Loop {
  Loop() : io(1), timers(io) {}
  asio::io_context io;
  TimerQueue timers;
  std::list<std::weak_ptr<Connection>> connections;
  std::thread thread;
  /// "Date: …\r\n", made once a second.
  std::string_view date_line(SteadyClock::time_point now);

 private:
  std::string date_;
  SteadyClock::time_point date_until_{};
};

}  // namespace sedna::serve
