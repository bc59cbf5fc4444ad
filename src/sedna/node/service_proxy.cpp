#include "sedna/node/service_proxy.hpp"

#include <algorithm>
#include <atomic>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "sedna/base/log.hpp"
#include "sedna/net/stream.hpp"

namespace sedna::node {

namespace asio = net::asio;
using asio::ip::tcp;
using boost::system::error_code;

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
                backends.push_back(
                    {std::string(a.get_string()), static_cast<std::uint16_t>(api::int_at(p.get_object(), {"port"}))});
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
        connections(
            registry.counter("sedna_service_connections_total", "Connections to Services carried by this node")),
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
        if (about_to_listen(where.second, backends)) {
          look_again();
        } else {
          listener = open(where);
        }
        if (listener == nullptr) {
          listeners.erase(where);
          continue;
        }
      }
      listener->backends = backends;
    }
  }

  /// Plain mode: a worker that is Ready but does not listen yet may be about to listen on all addresses, and could not
  /// while this port of the Service's address is taken.
  static bool about_to_listen(std::uint16_t port, const std::vector<Backend>& backends) {
    return std::ranges::any_of(backends, [port](const Backend& backend) {
      return backend.port == port && backend.ip.starts_with("127.") && !listens(backend);
    });
  }

  /// On the loopback the kernel answers at once.
  static bool listens(const Backend& backend) {
    asio::io_context io;
    tcp::socket socket(io);
    error_code error;
    const tcp::endpoint endpoint(asio::ip::make_address(backend.ip, error), backend.port);
    if (!error) socket.open(endpoint.protocol(), error);
    if (!error) socket.non_blocking(true, error);
    if (!error) socket.connect(endpoint, error);
    return !error || error == asio::error::in_progress || error == asio::error::would_block;
  }

  void look_again() {
    timer.expires_after(std::chrono::milliseconds(200));
    timer.async_wait([weak = weak_from_this()](error_code error) {
      const auto self = weak.lock();
      if (!error && self) self->trigger();
    });
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
        log::warning("a Service cannot be served on this node",
                     {{"address", listener->name}, {"reason", error.message()}});
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
        asio::co_spawn(self->io, relay_to_backend(std::move(socket), listener->backends, listener->name),
                       asio::detached);
      }
      self->accept(listener);
    });
  }

  control::Informer& services;
  control::Informer& slices;
  metrics::Counter& connections;
  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> work;
  asio::steady_timer timer{io};
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
