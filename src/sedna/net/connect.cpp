// Connecting from a coroutine: every resolved address in turn, one deadline over all.
#include <cstring>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "sedna/net/io.hpp"
#include "sedna/net/resolve.hpp"
#include "sedna/net/tcp_stream.hpp"

namespace sedna::net {
namespace {

using asio::ip::tcp;

// Shared with the timer's handler, which may run after the attempt is over.
struct Attempt {
  explicit Attempt(const asio::any_io_executor& executor) : socket(executor), timer(executor) {}
  tcp::socket socket;
  asio::steady_timer timer;
  bool over = false;
  bool late = false;
};

Task<boost::system::error_code> connect_one(std::shared_ptr<Attempt> attempt, SocketAddress address, Deadline until) {
  tcp::endpoint endpoint;
  std::memcpy(endpoint.data(), &address.storage, address.length);
  endpoint.resize(address.length);
  boost::system::error_code error;
  attempt->socket.open(endpoint.protocol(), error);
  if (error) co_return error;
  if (!until.is_never()) {
    attempt->timer.expires_at(until.at());
    attempt->timer.async_wait([attempt](boost::system::error_code cancelled) {
      if (cancelled || attempt->over) return;
      attempt->late = true;
      boost::system::error_code ignored;  // closing is the way to end the attempt
      attempt->socket.close(ignored);
    });
  }
  co_await attempt->socket.async_connect(endpoint, asio::redirect_error(asio::use_awaitable, error));
  attempt->over = true;
  attempt->timer.cancel();
  if (attempt->late) co_return make_error_code(asio::error::timed_out);
  if (!error && attempt->socket.local_endpoint(error) == endpoint && address.is_loopback()) {
    co_return make_error_code(asio::error::connection_refused);  // met itself: nobody listens there
  }
  co_return error;
}

}  // namespace

Task<StreamPtr> connect_tcp_stream(std::string host, std::uint16_t port, Deadline deadline) {
  const auto resolved = co_await async_resolve(host, port, deadline);
  if (!resolved) throw Error(resolved.error());
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  const std::vector<SocketAddress>& addresses = *resolved;
  Error last(ErrorCode::kUnavailable, "no address to connect to", host);
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    const auto share = static_cast<SteadyClock::duration::rep>(addresses.size() - i);
    const Deadline until = share == 1 || deadline.is_never() ? deadline : Deadline::after(deadline.remaining() / share);
    auto attempt = std::make_shared<Attempt>(executor);
    const SocketAddress address = addresses[i];
    const boost::system::error_code error = co_await connect_one(attempt, address, until);
    if (!error) co_return make_tcp_stream(std::move(attempt->socket));
    if (deadline.expired()) {
      throw Error(ErrorCode::kDeadlineExceeded, "no connection within the deadline", address.text());
    }
    last = Error(ErrorCode::kUnavailable, "cannot connect: " + error.message(), address.text());
  }
  throw Error(last);
}

Task<StreamPtr> connect_stream(Url url, std::optional<TlsContext> tls, Deadline deadline) {
  StreamPtr tcp = co_await connect_tcp_stream(url.host, url.port, deadline);
  if (url.scheme != "https" && url.scheme != "wss") co_return tcp;
  if (!tls) {
    const TlsClientOptions system_authorities;
    tls = TlsContext::client(system_authorities);
  }
  StreamPtr secured = co_await tls_client(std::move(tcp), *tls, url.host, deadline);
  co_return secured;
}

}  // namespace sedna::net
