#include "sedna/lc/unix_relay.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "sedna/base/error.hpp"
#include "sedna/net/stream.hpp"

namespace sedna::lc {

namespace asio = boost::asio;
using asio::ip::tcp;
using local = asio::local::stream_protocol;
using boost::system::error_code;

namespace {

constexpr int kBacklog = 64;

struct Pair {
  Pair(local::socket a, asio::io_context& io) : near(std::move(a)), far(io) {}
  local::socket near;
  tcp::socket far;
  void close() {
    error_code ignored;  // closed either way
    near.close(ignored);
    far.close(ignored);
  }
};

template <class From, class To>
net::Task<void> copy(std::shared_ptr<Pair> pair, From* from, To* to) {
  std::array<char, 8192> piece{};
  error_code error;
  while (!error) {
    const std::size_t n =
        co_await from->async_read_some(asio::buffer(piece), asio::redirect_error(asio::use_awaitable, error));
    if (error) break;
    co_await asio::async_write(*to, asio::buffer(piece.data(), n), asio::redirect_error(asio::use_awaitable, error));
  }
  if (error == asio::error::eof) {
    error_code ignored;  // the other direction goes on
    to->shutdown(asio::socket_base::shutdown_send, ignored);
  } else {
    pair->close();
  }
}

}  // namespace

struct UnixRelay::Impl {
  Impl(std::string p, const std::string& host, std::uint16_t port)
      : path(std::move(p)), server(reachable(host), port), acceptor(io) {}

  static asio::ip::address reachable(const std::string& host) {
    error_code error;
    const auto address = asio::ip::make_address(host, error);
    return error || address.is_unspecified() ? asio::ip::address(asio::ip::address_v4::loopback()) : address;
  }

  void listen() {
    error_code error;
    local::socket probe(io);
    probe.connect(local::endpoint(path), error);
    if (!error) throw Error(ErrorCode::kAlreadyExists, "somebody listens there already", path);
    ::unlink(path.c_str());
    acceptor.open();
    acceptor.bind(local::endpoint(path), error);
    if (!error) acceptor.listen(kBacklog, error);
    constexpr mode_t kEverybody = 0666;  // as the port
    if (error || ::chmod(path.c_str(), kEverybody) != 0) {
      throw Error(ErrorCode::kUnavailable, "cannot listen: " + error.message(), path);
    }
  }

  static net::Task<void> serve(Impl* self, std::shared_ptr<Pair> pair) {
    error_code error;
    co_await pair->far.async_connect(self->server, asio::redirect_error(asio::use_awaitable, error));
    if (error) {
      pair->close();
      co_return;
    }
    asio::co_spawn(self->io, copy(pair, &pair->far, &pair->near), asio::detached);
    co_await copy(pair, &pair->near, &pair->far);
  }

  static net::Task<void> accept(Impl* self) {
    for (;;) {
      error_code error;
      local::socket socket = co_await self->acceptor.async_accept(asio::redirect_error(asio::use_awaitable, error));
      if (error == asio::error::operation_aborted || !self->acceptor.is_open()) co_return;
      if (error) continue;
      auto pair = std::make_shared<Pair>(std::move(socket), self->io);
      auto task = serve(self, pair);
      asio::co_spawn(self->io, std::move(task), asio::detached);
    }
  }

  const std::string path;
  const tcp::endpoint server;
  asio::io_context io{1};
  local::acceptor acceptor;
  std::thread thread;
};

UnixRelay::UnixRelay(const std::string& path, const std::string& host, std::uint16_t port)
    : impl_(std::make_unique<Impl>(path, host, port)) {
  impl_->listen();
  impl_->thread = std::thread([impl = impl_.get()] {
    asio::co_spawn(impl->io, Impl::accept(impl), asio::detached);
    impl->io.run();
  });
}

UnixRelay::~UnixRelay() {
  impl_->io.stop();
  impl_->thread.join();
  ::unlink(impl_->path.c_str());
}

}  // namespace sedna::lc
