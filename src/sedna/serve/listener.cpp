#include "sedna/serve/listener.hpp"

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/post.hpp>

#include "sedna/base/log.hpp"
#include "sedna/net/tcp_stream.hpp"
#include "sedna/serve/connection.hpp"

namespace sedna::serve {

using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr std::size_t kTurnAwayAtOnce = 64;
constexpr auto kTurnAwayTime = std::chrono::seconds(1);
constexpr auto kPause = std::chrono::milliseconds(100);

/// A connection over the limit: it has been answered, and is read until the client closes, so that no reset overtakes
/// the answer.
struct TurnedAway {
  explicit TurnedAway(tcp::socket s) : socket(std::move(s)), timer(socket.get_executor()) {}
  tcp::socket socket;
  asio::steady_timer timer;
  std::array<char, 4096> dropped{};
};

void drop_until_closed(const std::shared_ptr<TurnedAway>& state, std::shared_ptr<void> counted) {
  state->socket.async_read_some(asio::buffer(state->dropped), [state, counted](error_code error, std::size_t) {
    if (error) {
      state->timer.cancel();
      return;
    }
    drop_until_closed(state, counted);
  });
}

}  // namespace

Listener::Listener(std::shared_ptr<Core> core, std::vector<std::shared_ptr<Loop>> loops)
    : core_(std::move(core)), loops_(std::move(loops)), acceptor_(loops_.front()->io), pause_(loops_.front()->io) {}

std::uint16_t Listener::open(const net::SocketAddress& address) {
  const auto* data = address.data();
  tcp::endpoint endpoint;
  endpoint.resize(address.length);
  std::memcpy(endpoint.data(), data, address.length);
  error_code error;
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(1024, error);
  if (error) {
    throw Error(ErrorCode::kUnavailable, "cannot listen: " + error.message(), address.text());
  }
  return acceptor_.local_endpoint().port();
}

std::uint16_t Listener::adopt(int descriptor) {
  sockaddr_storage own{};
  socklen_t length = sizeof own;
  int listens = 0;
  socklen_t size = sizeof listens;
  const bool is_listener = ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&own), &length) == 0 &&
                           ::getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens != 0;
  if (!is_listener || (own.ss_family != AF_INET && own.ss_family != AF_INET6)) {
    throw Error(ErrorCode::kInvalidArgument, "not a listening socket", "descriptor " + std::to_string(descriptor));
  }
  error_code error;
  acceptor_.assign(own.ss_family == AF_INET ? tcp::v4() : tcp::v6(), descriptor, error);
  if (error) throw Error(ErrorCode::kUnavailable, "cannot listen: " + error.message());
  return acceptor_.local_endpoint().port();
}

void Listener::start() {
  asio::post(loops_.front()->io, [self = shared_from_this()] { self->accept(); });
}

void Listener::stop() {
  asio::post(loops_.front()->io, [self = shared_from_this()] {
    error_code ignored;  // closed either way
    self->acceptor_.close(ignored);
    self->pause_.cancel();
  });
}

void Listener::accept() {
  if (!acceptor_.is_open() || loops_.empty()) return;
  const auto loop = loops_[next_++ % loops_.size()];
  acceptor_.async_accept(asio::any_io_executor(loop->io.get_executor()),
                         asio::bind_executor(acceptor_.get_executor(), [self = shared_from_this(), loop](
                                                                           error_code error, tcp::socket socket) {
                           if (error == asio::error::operation_aborted) return;
                           if (error) {
                             // No descriptors, no memory: others must end first. A client that is gone already costs
                             // nothing.
                             log::warning("cannot accept a connection", {{"error", error.message()}});
                             self->pause_.expires_after(kPause);
                             self->pause_.async_wait([self](error_code stopped) {
                               if (!stopped) self->accept();
                             });
                             return;
                           }
                           self->take(std::move(socket), loop);
                           self->accept();
                         }));
}

void Listener::take(tcp::socket socket, const std::shared_ptr<Loop>& loop) {
  if (core_->connections.fetch_add(1) >= core_->options.max_connections) {
    core_->gone();
    core_->connections_refused.add();
    turn_away(std::move(socket));
    return;
  }
  // From here on the connection is counted, and Connection's end takes it off.
  auto begin = [core = core_, loop, held = std::make_shared<tcp::socket>(std::move(socket))] {
    std::make_shared<Connection>(core, loop, net::make_tcp_stream(std::move(*held)))->start();
  };
  if (loop == loops_.front()) {
    begin();
  } else {
    asio::post(loop->io, std::move(begin));
  }
}

void Listener::turn_away(tcp::socket socket) {
  if (core_->tls || turning_away_ >= kTurnAwayAtOnce) return;  // no plain text to a TLS client
  const std::string text = canned_refusal(503, "too many connections", "Retry-After: 1\r\n");
  error_code ignored;  // whoever cannot be told is gone
  socket.non_blocking(true, ignored);
  socket.send(asio::buffer(text), 0, ignored);
  socket.shutdown(tcp::socket::shutdown_send, ignored);
  ++turning_away_;
  std::shared_ptr<void> counted(nullptr, [self = shared_from_this()](void*) { --self->turning_away_; });
  const auto state = std::make_shared<TurnedAway>(std::move(socket));
  state->timer.expires_after(kTurnAwayTime);
  state->timer.async_wait([state](error_code stopped) {
    if (stopped) return;
    error_code closed;  // closed either way
    state->socket.close(closed);
  });
  drop_until_closed(state, std::move(counted));
}

}  // namespace sedna::serve
