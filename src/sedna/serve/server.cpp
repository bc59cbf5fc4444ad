#include "sedna/serve/server.hpp"

#include <csignal>
#include <cstdlib>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "sedna/base/log.hpp"
#include "sedna/net/resolve.hpp"
#include "sedna/serve/connection.hpp"
#include "sedna/serve/listener.hpp"

namespace sedna::serve {
namespace {

/// Handlers that ignore cancellation may use this long after a stop.
constexpr auto kStopGrace = std::chrono::seconds(5);

net::Task<Response> healthy(Request&) {
  co_return Response::text(200, "ok\n");
}

bool plaintext_by_environment() {
  const char* value = std::getenv("SEDNA_SERVE_PLAINTEXT");
  return value != nullptr && std::string_view(value) == "1";
}

/// Signals belong to the program's own threads (a Python interpreter's, a daemon's main loop).
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

void run_loop(const std::shared_ptr<Loop>& loop) {
  pthread_setname_np(pthread_self(), "sedna-serve");
  const auto work = asio::make_work_guard(loop->io);
  for (;;) {
    try {
      loop->io.run();
      return;
    } catch (const std::exception& e) {
      // Coroutines answer for their own failures; what comes here is a completion that could not be delivered.
      log::error("an io thread met an exception and goes on", {{"error", e.what()}});
    }
  }
}

}  // namespace

struct Server::Impl {
  Impl(ServerOptions options, metrics::Registry& registry)
      : core(std::make_shared<Core>(std::move(options), registry)) {}

  void add_builtin_routes();
  void check_exposure(const net::SocketAddress& address) const;
  template <class F>
  void for_each_connection(F each);
  bool on_io_thread() const;

  std::shared_ptr<Core> core;
  std::vector<std::shared_ptr<Loop>> loops;
  std::shared_ptr<Listener> listener;
  std::mutex mutex;  ///< start, drain and stop exclude each other
  bool started = false;
  bool stopped = false;
  std::uint16_t port = 0;
};

Server::Server(ServerOptions options, metrics::Registry& registry)
    : impl_(std::make_unique<Impl>(std::move(options), registry)) {
  impl_->core->set_readiness({true, {}});
}

Server::~Server() {
  stop();
}

metrics::Registry& Server::registry() {
  return impl_->core->registry;
}
std::uint16_t Server::port() const {
  return impl_->port;
}

std::string Server::origin() const {
  const ServerOptions& options = impl_->core->options;
  std::string host = options.host == "0.0.0.0" ? "127.0.0.1" : options.host == "::" ? "::1" : options.host;
  if (host.find(':') != std::string::npos) host = "[" + host + "]";
  return (impl_->core->tls ? "https://" : "http://") + host + ":" + std::to_string(impl_->port);
}

void Server::set_ready(bool ready, std::string reason) {
  impl_->core->set_readiness({ready, std::move(reason)});
}

namespace {

Route& add_route(Core& core, std::string method, std::string pattern, RouteOptions options) {
  Route& route = core.router.add(std::move(method), std::move(pattern));
  route.options = std::move(options);
  route.label = route.options.metric_name.empty() ? route.pattern : route.options.metric_name;
  route.registry = &core.registry;
  route.duration =
      &core.registry.histogram("sedna_http_request_seconds", "From the request's head to its written answer.",
                               {{"route", route.label}, {"method", route.method}});
  return route;
}

}  // namespace

void Server::route(std::string method, std::string pattern, Handler handler, RouteOptions options) {
  const std::lock_guard lock(impl_->mutex);
  SEDNA_CHECK(!impl_->started);
  add_route(*impl_->core, std::move(method), std::move(pattern), std::move(options)).handler = std::move(handler);
}

void Server::websocket(std::string pattern, WebSocketHandler handler, RouteOptions options) {
  const std::lock_guard lock(impl_->mutex);
  SEDNA_CHECK(!impl_->started);
  Route& route = add_route(*impl_->core, "GET", std::move(pattern), std::move(options));
  route.websocket = std::move(handler);
  route.handler = route.options.without_upgrade;
}

void Server::Impl::add_builtin_routes() {
  const auto add = [&](std::string pattern, Handler handler, bool anonymous) {
    std::vector<std::string> params;
    const Route* taken = core->router.match("GET", pattern, params).route;
    if (taken != nullptr && taken->pattern == pattern) return;  // the feature has its own
    RouteOptions options;
    options.anonymous = anonymous;
    options.uncounted = true;
    add_route(*core, "GET", std::move(pattern), std::move(options)).handler = std::move(handler);
  };
  add("/healthz", healthy, true);
  add("/livez", healthy, true);
  Core* shared = core.get();  // handlers live in it
  add("/readyz", [shared](Request& request) { return answer_ready(*shared, request); }, true);
  add("/metrics", [shared](Request& request) { return answer_metrics(*shared, request); }, false);
}

void Server::Impl::check_exposure(const net::SocketAddress& address) const {
  if (address.is_loopback()) return;
  const bool tls = core->tls.has_value();
  const bool identity = core->need_identity();
  if (tls && identity) return;
  const std::string lacks = !tls && !identity ? "TLS and identity" : !tls ? "TLS" : "identity";
  if (!core->options.plaintext_beyond_loopback && !plaintext_by_environment()) {
    throw Error(ErrorCode::kPermissionDenied,
                "will not serve beyond this machine without " + lacks +
                    ": set a certificate and key and a token file or client authority, bind 127.0.0.1, or, if this is "
                    "meant (a trusted network, a Pod behind a mesh), set SEDNA_SERVE_PLAINTEXT=1",
                address.text());
  }
  log::warning("serving beyond this machine without protection, as asked for",
               {{"address", address.text()}, {"lacks", lacks}});
}

void Server::start() {
  const std::lock_guard lock(impl_->mutex);
  SEDNA_CHECK(!impl_->started);
  Core& core = *impl_->core;
  const ServerOptions& options = core.options;
  if (!options.token_file.empty()) core.tokens = identity::TokenTable::load(options.token_file).value();
  if (!options.tls.cert_file.empty() || !options.tls.key_file.empty()) {
    net::TlsServerFiles files;
    files.cert_file = options.tls.cert_file;
    files.key_file = options.tls.key_file;
    files.client_ca_file = options.tls.client_ca_file;
    core.tls = net::TlsContext::server(files);
  } else if (!options.tls.client_ca_file.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "a client authority needs a certificate and a key of the server",
                options.tls.client_ca_file);
  }
  const auto addresses = net::resolve(options.host, options.port, Deadline::after(std::chrono::seconds(5))).value();
  impl_->check_exposure(addresses.front());
  impl_->add_builtin_routes();
  for (int i = 0; i < std::max(1, options.io_threads); ++i) impl_->loops.push_back(std::make_shared<Loop>());
  impl_->listener = std::make_shared<Listener>(impl_->core, impl_->loops);
  impl_->port =
      options.listen_fd >= 0 ? impl_->listener->adopt(options.listen_fd) : impl_->listener->open(addresses.front());
  impl_->started = true;
  const SignalsBlocked blocked;
  for (const auto& loop : impl_->loops) loop->thread = std::thread(run_loop, loop);
  impl_->listener->start();
  log::info("serving", {{"origin", origin()}});
}

template <class F>
void Server::Impl::for_each_connection(F each) {
  for (const auto& loop : loops) {
    asio::post(loop->io, [loop, each] {
      // Ending a connection takes it off the list, later; the copies keep them alive meanwhile.
      std::vector<std::shared_ptr<Connection>> alive;
      for (const auto& weak : loop->connections) {
        if (auto connection = weak.lock()) alive.push_back(std::move(connection));
      }
      for (const auto& connection : alive) each(*connection);
    });
  }
}

bool Server::Impl::on_io_thread() const {
  for (const auto& loop : loops) {
    if (loop->thread.get_id() == std::this_thread::get_id()) return true;
  }
  return false;
}

void Server::drain() {
  {
    const std::lock_guard lock(impl_->mutex);
    SEDNA_CHECK(!impl_->on_io_thread());
    if (!impl_->started || impl_->stopped) return;
    impl_->core->draining = true;
    impl_->listener->stop();
    impl_->for_each_connection([](Connection& connection) { connection.drain(); });
  }
  const bool empty = impl_->core->wait_until_empty(impl_->core->options.drain_timeout);
  if (!empty) log::warning("connections are cut: they did not end within the drain time");
  stop();
}

void Server::stop() {
  const std::lock_guard lock(impl_->mutex);
  if (!impl_->started || impl_->stopped) return;
  SEDNA_CHECK(!impl_->on_io_thread());
  impl_->stopped = true;
  impl_->core->draining = true;
  impl_->listener->stop();
  impl_->for_each_connection([](Connection& connection) { connection.cut(); });
  const bool empty = impl_->core->wait_until_empty(kStopGrace);
  for (const auto& loop : impl_->loops) loop->io.stop();
  for (const auto& loop : impl_->loops) loop->thread.join();
  for (const auto& loop : impl_->loops) {
    if (!empty) break;  // a handler must not run on this thread
    // What was posted but not run yet keeps its loop alive, and so itself.
    loop->io.restart();
    loop->io.poll();
  }
  impl_->listener->release();
  if (!empty) {
    // Somebody may still complete what a handler waits for. Into a queue that nobody runs that is harmless, into a
    // destroyed one it is not: the loops are left behind on purpose.
    log::warning("handlers did not end; their threads' state is left behind");
    static auto* const left_behind = new std::vector<std::shared_ptr<Loop>>;
    static std::mutex left_mutex;
    const std::lock_guard guard(left_mutex);
    left_behind->insert(left_behind->end(), impl_->loops.begin(), impl_->loops.end());
  }
  impl_->listener.reset();
  impl_->loops.clear();
}

}  // namespace sedna::serve
