// WebSocket routes: the handshake, and a socket that says goodbye when the server drains.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/this_coro.hpp>

#include "sedna/base/log.hpp"
#include "sedna/net/websocket.hpp"
#include "sedna/serve/connection.hpp"
#include "sedna/serve/socket_face.hpp"

namespace sedna::serve {

net::Task<void> Connection::run_websocket(const Route& route) {
  const net::Headers& fields = request_.headers;
  if (!body_done_ || !net::has_token(fields.get("Upgrade"), "websocket") ||
      !net::has_token(fields.get("Connection"), "upgrade")) {
    Response refusal = error_response(&route, 426, Error(ErrorCode::kInvalidArgument, "this path speaks WebSocket"));
    refusal.headers.set("Upgrade", "websocket");
    co_await respond(std::move(refusal));
    co_return;
  }
  close_after_ = true;
  net::HttpRequest upgrade;
  upgrade.method = request_.method;
  upgrade.target = request_.target;
  upgrade.headers = request_.headers;
  net::WebSocketOptions options;
  if (route.options.max_body > 0) options.max_message = route.options.max_body;
  options.handshake_timeout = core_->options.header_timeout;
  if (route.options.websocket_idle) options.idle_timeout = *route.options.websocket_idle;
  options.headers.add("X-Request-Id", request_.request_id);
  std::string leftover(buffered());
  begin_ = end_ = 0;
  enter(Phase::kHandler, request_.deadline.remaining());
  std::unique_ptr<net::WebSocketStream> stream;
  std::string refused;
  try {
    stream =
        co_await net::WebSocketStream::accept(*stream_, std::move(upgrade), std::move(leftover), std::move(options));
  } catch (const std::exception& e) {
    refused = e.what();
  }
  if (!stream) {
    log::debug("no WebSocket", {{"remote", request_.remote}, {"error", refused}});
    account(400);
    co_return;
  }
  account(101);
  core_->websockets_gauge.add(1);
  const auto socket = std::make_shared<SocketFace>(shared_from_this(), std::move(stream));
  socket_ = socket;
  std::uint16_t code = static_cast<std::uint16_t>(net::CloseCode::kNormal);
  std::string reason;
  co_await asio::this_coro::throw_if_cancelled(true);
  try {
    co_await route.websocket(request_, *socket);
  } catch (const Error& e) {
    // An error of transport has ended the stream already; then the farewell below does nothing.
    code = static_cast<std::uint16_t>(net::CloseCode::kInternalError);
    reason = e.code() == ErrorCode::kInternal ? "internal error" : e.message();
    log::debug("a WebSocket ended", {{"request_id", request_.request_id}, {"error", e.what()}});
  } catch (const std::exception& e) {
    code = static_cast<std::uint16_t>(net::CloseCode::kInternalError);
    reason = "internal error";
    log::error("a WebSocket handler failed",
               {{"route", route.label}, {"request_id", request_.request_id}, {"error", e.what()}});
  }
  co_await asio::this_coro::throw_if_cancelled(false);
  core_->websockets_gauge.add(-1);
  co_await socket->finish(code, std::move(reason));
  failed_ = true;  // whatever follows on this connection is not HTTP
}

net::Task<std::optional<WebSocket::Message>> SocketFace::read() {
  auto message = co_await stream_->read();
  if (!message) {
    ended_ = true;
    co_return std::nullopt;
  }
  std::optional<Message> out;
  out.emplace();
  out->text = message->text;
  out->data = std::move(message->data);
  co_return out;
}

net::Task<void> SocketFace::write(bool text, Bytes data) {
  if (closing_ || ended_) throw Error(ErrorCode::kUnavailable, "the WebSocket is closing");
  writing_ = true;
  std::exception_ptr failure;
  try {
    co_await stream_->write(text, std::move(data));
  } catch (...) {
    failure = std::current_exception();  // rethrown below
  }
  writing_ = false;
  if (failure) std::rethrow_exception(failure);
  if (go_away_) start_going_away();
}

net::Task<void> SocketFace::close(std::uint16_t code, std::string reason) {
  if (closing_ || ended_) co_return;
  closing_ = true;
  co_await stream_->close(code, std::move(reason));
  ended_ = true;
}

net::Task<void> SocketFace::finish(std::uint16_t code, std::string reason) {
  std::string failure;
  try {
    co_await close(code, std::move(reason));
  } catch (const std::exception& e) {
    failure = e.what();
  }
  if (!failure.empty()) log::debug("a WebSocket ended without a farewell", {{"error", failure}});
}

void SocketFace::go_away() {
  if (closing_ || ended_) return;
  go_away_ = true;
  if (!writing_) start_going_away();
}

void SocketFace::start_going_away() {
  closing_ = true;
  asio::co_spawn(connection_->executor(), say_goodbye(shared_from_this()), asio::detached);
}

net::Task<void> SocketFace::say_goodbye(std::shared_ptr<SocketFace> self) {
  // The handler's read ends when the peer confirms.
  std::string failure;
  try {
    co_await self->stream_->close(static_cast<std::uint16_t>(net::CloseCode::kGoingAway), "the server is going away");
  } catch (const std::exception& e) {
    failure = e.what();
  }
  if (!failure.empty()) log::debug("a WebSocket ended without a farewell", {{"error", failure}});
}

}  // namespace sedna::serve
