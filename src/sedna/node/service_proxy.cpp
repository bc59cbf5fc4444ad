#include "sedna/node/service_proxy.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <thread>

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "sedna/base/ids.hpp"
#include "sedna/base/log.hpp"
#include "sedna/net/stream.hpp"

namespace sedna::node {

namespace asio = net::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr auto kConnectTime = std::chrono::seconds(3);
constexpr std::size_t kPiece = 64 * 1024;

/// Both ends of one connection; a direction that ends half-closes the other side.
struct Pair {
  Pair(tcp::socket client_socket, const tcp::socket::executor_type& executor)
      : client(std::move(client_socket)), server(executor), timer(executor) {}
  tcp::socket client, server;
  asio::steady_timer timer;
};

net::Task<void> carry(std::shared_ptr<Pair> pair, bool to_server) {
  auto& from = to_server ? pair->client : pair->server;
  auto& to = to_server ? pair->server : pair->client;
  const auto buffer = std::make_unique<std::array<char, kPiece>>();
  error_code error;
  for (;;) {
    const std::size_t n = co_await from.async_read_some(asio::buffer(*buffer), asio::redirect_error(asio::use_awaitable, error));
    if (error || n == 0) break;
    co_await asio::async_write(to, asio::buffer(buffer->data(), n), asio::redirect_error(asio::use_awaitable, error));
    if (error) break;
  }
  error_code ignored;  // the peer may have gone already
  if (error == asio::error::eof) {
    to.shutdown(tcp::socket::shutdown_send, ignored);
  } else {
    pair->client.close(ignored);
    pair->server.close(ignored);
  }
}

net::Task<void> relay(std::shared_ptr<Pair> pair, std::vector<Backend> backends, std::string service) {
  std::shuffle(backends.begin(), backends.end(), thread_random());
  error_code error = asio::error::not_found;
  for (const auto& backend : backends) {
    error_code close_error;  // a socket of a failed attempt
    pair->server.close(close_error);
    pair->timer.expires_after(kConnectTime);
    pair->timer.async_wait([pair](error_code cancelled) {
      error_code ignored;  // what is connected by then has cancelled the timer
      if (!cancelled) pair->server.close(ignored);
    });
    const tcp::endpoint endpoint(asio::ip::make_address(backend.ip), backend.port);
    co_await pair->server.async_connect(endpoint, asio::redirect_error(asio::use_awaitable, error));
    pair->timer.cancel();
    if (!error) break;
  }
  if (error) {
    log::warning("no Pod of a Service can be reached", {{"service", service}, {"reason", error.message()}});
    co_return;
  }
  error_code ignored;  // an option that only makes it faster
  pair->client.set_option(tcp::no_delay(true), ignored);
  pair->server.set_option(tcp::no_delay(true), ignored);
  asio::co_spawn(pair->client.get_executor(), carry(pair, true), asio::detached);
  co_await carry(pair, false);
}

}  // namespace

ProxyTable proxy_table(const std::vector<control::ObjectPtr>& services, const std::vector<control::ObjectPtr>& slices) {
  ProxyTable out;
  std::map<std::string, std::vector<control::ObjectPtr>> by_service;
  for (const auto& slice : slices) {
    const auto name = api::label(*slice, "kubernetes.io/service-name");
    if (name) by_service[api::make_key(api::namespace_of(*slice), *name)].push_back(slice);
  }
  for (const auto& service : services) {
    const std::string address(api::string_at(*service, {"spec", "clusterIP"}));
    const auto* ports = api::array_at(*service, {"spec", "ports"});
    const auto own = by_service.find(api::key_of(*service));
    if (address.empty() || address == "None" || ports == nullptr || own == by_service.end()) continue;
    for (const auto& port : *ports) {
      if (!port.is_object() || api::string_at(port.get_object(), {"protocol"}, "TCP") != "TCP") continue;
      const auto name = api::string_at(port.get_object(), {"name"});
      std::vector<Backend> backends;
      for (const auto& slice : own->second) {
        const auto* slice_ports = api::array_at(*slice, {"ports"});
        const auto* endpoints = api::array_at(*slice, {"endpoints"});
        if (slice_ports == nullptr || endpoints == nullptr) continue;
        for (const auto& p : *slice_ports) {
          if (!p.is_object() || api::string_at(p.get_object(), {"name"}) != name) continue;
          for (const auto& endpoint : *endpoints) {
            if (!endpoint.is_object()) continue;
            const auto* ready = api::find(endpoint.get_object(), {"conditions", "ready"});
            const auto* addresses = api::array_at(endpoint.get_object(), {"addresses"});
            if (ready == nullptr || !ready->is_bool() || !ready->get_bool() || addresses == nullptr) continue;
            for (const auto& a : *addresses) {
              if (a.is_string())
                backends.push_back({std::string(a.get_string()),
                                    static_cast<std::uint16_t>(api::int_at(p.get_object(), {"port"}))});
            }
          }
        }
      }
      const auto number = static_cast<std::uint16_t>(api::int_at(port.get_object(), {"port"}));
      if (!backends.empty()) out[{address, number}] = std::move(backends);
    }
  }
  return out;
}

struct ServiceProxy::Impl : std::enable_shared_from_this<Impl> {
  Impl(control::Informer& s, control::Informer& e, metrics::Registry& registry)
      : services(s),
        slices(e),
        connections(registry.counter("sedna_service_connections_total", "Connections to Services carried by this node")),
        work(asio::make_work_guard(io)) {}

  struct Listener {
    explicit Listener(asio::io_context& io) : acceptor(io) {}
    tcp::acceptor acceptor;
    std::vector<Backend> backends;
    std::string name;
  };

  /// From any thread; several before it is looked at are one.
  void trigger() {
    if (pending.exchange(true)) return;
    asio::post(io, [self = shared_from_this()] {
      self->pending = false;
      self->sync();
    });
  }

  void sync() {
    const auto table = proxy_table(services.cache().list(), slices.cache().list());
    for (auto it = listeners.begin(); it != listeners.end();) {
      if (table.contains(it->first)) {
        ++it;
        continue;
      }
      error_code ignored;  // it is gone either way
      it->second->acceptor.close(ignored);
      it = listeners.erase(it);
    }
    for (const auto& [where, backends] : table) {
      auto& listener = listeners[where];
      if (listener == nullptr) {
        listener = open(where);
        if (listener == nullptr) {
          listeners.erase(where);
          continue;
        }
      }
      listener->backends = backends;
    }
  }

  std::shared_ptr<Listener> open(const std::pair<std::string, std::uint16_t>& where) {
    auto listener = std::make_shared<Listener>(io);
    listener->name = where.first + ":" + std::to_string(where.second);
    error_code error;
    const tcp::endpoint endpoint(asio::ip::make_address(where.first, error), where.second);
    if (!error) listener->acceptor.open(endpoint.protocol(), error);
    if (!error) listener->acceptor.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) listener->acceptor.bind(endpoint, error);
    if (!error) listener->acceptor.listen(asio::socket_base::max_listen_connections, error);
    if (error) {
      // Plain mode: a worker that listens on all addresses answers for the Service itself.
      if (error != asio::error::address_in_use)
        log::warning("a Service cannot be served on this node", {{"address", listener->name}, {"reason", error.message()}});
      return nullptr;
    }
    accept(listener);
    return listener;
  }

  void accept(const std::shared_ptr<Listener>& listener) {
    listener->acceptor.async_accept([self = shared_from_this(), listener](error_code error, tcp::socket socket) {
      if (!listener->acceptor.is_open()) return;
      if (error == asio::error::no_descriptors) {
        log::warning("too many connections to Services", {{"address", listener->name}});
        auto pause = std::make_shared<asio::steady_timer>(self->io, std::chrono::milliseconds(100));
        pause->async_wait([self, listener, pause](error_code) { self->accept(listener); });
        return;
      }
      if (!error) {
        self->connections.add();
        auto pair = std::make_shared<Pair>(std::move(socket), self->io.get_executor());
        asio::co_spawn(self->io, relay(pair, listener->backends, listener->name), asio::detached);
      }
      self->accept(listener);
    });
  }

  control::Informer& services;
  control::Informer& slices;
  metrics::Counter& connections;
  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> work;
  std::atomic<bool> pending{false};
  std::map<std::pair<std::string, std::uint16_t>, std::shared_ptr<Listener>> listeners;
  std::thread thread;
};

ServiceProxy::ServiceProxy(control::Informer& services, control::Informer& slices, metrics::Registry& registry)
    : impl_(std::make_shared<Impl>(services, slices, registry)) {
  const auto trigger = [weak = std::weak_ptr(impl_)](const control::ObjectCache::Change&) {
    if (const auto impl = weak.lock()) impl->trigger();
  };
  services.add_handler(trigger);
  slices.add_handler(trigger);
}

ServiceProxy::~ServiceProxy() {
  stop();
}

void ServiceProxy::start() {
  impl_->thread = std::thread([impl = impl_.get()] {
    pthread_setname_np(pthread_self(), "services");
    impl->io.run();
  });
}

void ServiceProxy::stop() {
  if (!impl_->thread.joinable()) return;
  impl_->io.stop();
  impl_->thread.join();
}

}  // namespace sedna::node
