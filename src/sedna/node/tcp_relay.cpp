#include "sedna/node/tcp_relay.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "sedna/base/ids.hpp"
#include "sedna/base/log.hpp"

namespace sedna::node {

namespace asio = net::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr auto kConnectTime = std::chrono::seconds(3);
constexpr std::size_t kPiece = 256 * 1024;

/// Both ends of one connection.
struct Pair {
  explicit Pair(tcp::socket client_socket)
      : client(std::move(client_socket)), server(client.get_executor()), timer(client.get_executor()) {}
  tcp::socket client, server;
  asio::steady_timer timer;
};

/// What the bytes pass through inside the kernel: they are never copied into this process.
class Pipe {
 public:
  Pipe() {
    std::array<int, 2> ends{-1, -1};
    if (pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) return;
    out = ends[0];
    in = ends[1];
    fcntl(in, F_SETPIPE_SZ, static_cast<int>(kPiece));  // smaller where the kernel says so
  }
  ~Pipe() {
    if (out >= 0) close(out);
    if (in >= 0) close(in);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  int in = -1, out = -1;
};

/// Until the first side ends (true: in peace) or one of them fails.
net::Task<bool> splice_all(tcp::socket& from, tcp::socket& to) {
  const Pipe pipe;
  if (pipe.in < 0) co_return false;
  constexpr unsigned kFlags = SPLICE_F_MOVE | SPLICE_F_NONBLOCK;
  error_code error;
  for (;;) {
    auto n = splice(from.native_handle(), nullptr, pipe.in, nullptr, kPiece, kFlags);
    if (n < 0 && errno == EAGAIN) {
      co_await from.async_wait(tcp::socket::wait_read, asio::redirect_error(asio::use_awaitable, error));
      if (error) co_return false;
      continue;
    }
    if (n <= 0) co_return n == 0;
    while (n > 0) {
      const auto m = splice(pipe.out, nullptr, to.native_handle(), nullptr, static_cast<std::size_t>(n), kFlags);
      if (m > 0) {
        n -= m;
      } else if (m < 0 && errno == EAGAIN) {
        co_await to.async_wait(tcp::socket::wait_write, asio::redirect_error(asio::use_awaitable, error));
        if (error) co_return false;
      } else {
        co_return false;
      }
    }
  }
}

net::Task<void> carry(std::shared_ptr<Pair> pair, bool to_server) {
  auto& from = to_server ? pair->client : pair->server;
  auto& to = to_server ? pair->server : pair->client;
  const bool peaceful = co_await splice_all(from, to);
  error_code ignored;  // the peer may have gone already
  if (peaceful) {
    to.shutdown(tcp::socket::shutdown_send, ignored);
  } else {
    pair->client.close(ignored);
    pair->server.close(ignored);
  }
}

net::Task<void> carry_both(std::shared_ptr<Pair> pair) {
  error_code ignored;  // options that only make it faster; without the first, waiting says so
  pair->client.native_non_blocking(true, ignored);
  pair->server.native_non_blocking(true, ignored);
  pair->client.set_option(tcp::no_delay(true), ignored);
  pair->server.set_option(tcp::no_delay(true), ignored);
  asio::co_spawn(pair->client.get_executor(), carry(pair, true), asio::detached);
  co_await carry(pair, false);
}

void accept_next(tcp::acceptor& acceptor, const Backend& backend) {
  acceptor.async_accept([&acceptor, backend](error_code error, tcp::socket socket) {
    if (error == asio::error::operation_aborted) return;
    if (!error) {
      std::vector<Backend> one{backend};
      asio::co_spawn(acceptor.get_executor(), relay_to_backend(std::move(socket), std::move(one), "forward"),
                     asio::detached);
    }
    accept_next(acceptor, backend);
  });
}

}  // namespace

net::Task<void> relay(tcp::socket client, tcp::socket server) {
  auto pair = std::make_shared<Pair>(std::move(client));
  pair->server = std::move(server);
  co_await carry_both(std::move(pair));
}

net::Task<void> relay_to_backend(tcp::socket client, std::vector<Backend> backends, std::string what) {
  auto pair = std::make_shared<Pair>(std::move(client));
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
    log::warning("nobody can be reached", {{"for", what}, {"reason", error.message()}});
    co_return;
  }
  co_await carry_both(std::move(pair));
}

void forward_until_signal(int listening, const Backend& backend) {
  asio::io_context io(1);
  tcp::acceptor acceptor(io);
  acceptor.assign(tcp::v4(), listening);
  asio::signal_set signals(io, SIGTERM, SIGINT);
  signals.async_wait([&io](error_code, int) { io.stop(); });
  accept_next(acceptor, backend);
  io.run();
}

}  // namespace sedna::node
