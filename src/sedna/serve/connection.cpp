#include "sedna/serve/connection.hpp"

#include <cstring>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "sedna/base/log.hpp"
#include "sedna/serve/socket_face.hpp"

namespace sedna::serve {

using boost::system::error_code;

namespace {

constexpr std::size_t kFirstBuffer = 8 * 1024;
constexpr auto kLingerTime = std::chrono::seconds(2);
constexpr std::size_t kLingerBytes = std::size_t{64} << 20;

}  // namespace

Connection::Connection(std::shared_ptr<Core> core, std::shared_ptr<Loop> loop, net::StreamPtr stream)
    : core_(std::move(core)), loop_(std::move(loop)), stream_(std::move(stream)), scanner_(core_->options.max_header) {
  request_.remote = stream_->remote();
  request_.executor = stream_->get_executor();
  core_->connections_total.add();
  core_->connections_gauge.set(static_cast<double>(core_->connections.load()));
}

Connection::~Connection() {
  loop_->timers.remove(*this);
  core_->gone();
}

void Connection::start() {
  place_ = loop_->connections.insert(loop_->connections.end(), weak_from_this());
  // Cancelling the coroutine cancels what the handler waits for.
  asio::co_spawn(loop_->io, run(shared_from_this()), asio::bind_cancellation_slot(cancel_.slot(), asio::detached));
}

net::Task<void> Connection::run(std::shared_ptr<Connection> self) {
  co_await asio::this_coro::throw_if_cancelled(false);
  try {
    bool up = true;
    if (self->core_->tls) up = co_await self->handshake();
    if (up) co_await self->serve_requests();
    if (up && !self->failed_) co_await self->linger();
  } catch (const std::exception& e) {
    // Handlers' failures are answered where they happen; this is one of ours or no memory. Only this connection ends.
    log::error("a connection failed", {{"remote", self->request_.remote}, {"error", e.what()}});
  }
  self->loop_->connections.erase(self->place_);
  if (self->stream_) self->stream_->close();  // a failed handshake has taken it
}

net::Task<bool> Connection::handshake() {
  const Deadline deadline = Deadline::after(core_->options.header_timeout);
  std::string failure;
  try {
    net::StreamPtr plain = std::move(stream_);
    stream_ = co_await net::tls_server(std::move(plain), *core_->tls, deadline);
    identity_from_tls_ = net::tls_peer_name(*stream_);
    co_return true;
  } catch (const std::exception& e) {
    failure = e.what();
  }
  core_->refused_requests.add();
  log::debug("no TLS session", {{"remote", request_.remote}, {"error", failure}});
  co_return false;
}

net::Task<void> Connection::serve_requests() {
  enter(Phase::kIdle, core_->options.header_timeout);
  for (;;) {
    const bool got = co_await read_head();
    if (!got) co_return;
    co_await serve_one();
    if (close_after_ || abandoned_ || failed_) co_return;
    enter(Phase::kIdle, core_->options.idle_timeout);
  }
}

net::Task<bool> Connection::read_head() {
  scanner_.reset();
  head_parsed_ = false;
  route_ = nullptr;
  for (;;) {
    // A blank line before a request is tolerated (RFC 9112 2.2), as some clients send one after a body.
    if (buffered().starts_with("\r\n")) {
      begin_ += 2;
      scanner_.reset();
    }
    HeadScanner::Outcome outcome = scanner_.scan(buffered());
    if (outcome.length > 0) {
      head_.reset();
      outcome.refusal = parse_request_head(buffered().substr(0, outcome.length), head_);
      begin_ += outcome.length;
      if (!outcome.refusal) co_return true;
    }
    if (outcome.refusal) {
      started_ = SteadyClock::now();
      accounted_ = false;
      close_after_ = true;
      body_done_ = false;
      core_->refused_requests.add();
      Response answer = error_response(nullptr, outcome.refusal->status,
                                       Error(error_code_from_http(outcome.refusal->status), outcome.refusal->message));
      co_await respond(std::move(answer));
      co_return false;
    }
    if (begin_ != end_ && phase_ == Phase::kIdle) enter(Phase::kHead, core_->options.header_timeout);
    if (core_->draining && phase_ == Phase::kIdle) co_return false;
    const bool more = co_await fill();
    if (!more) co_return false;
  }
}

void Connection::make_room(std::size_t wanted) {
  if (begin_ == end_) begin_ = end_ = 0;
  if (capacity_ - end_ >= wanted) return;
  const std::size_t kept = end_ - begin_;
  if (capacity_ - kept >= wanted && begin_ > 0) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, kept);
  } else {
    const std::size_t capacity = std::max(kFirstBuffer, 2 * (kept + wanted));
    std::unique_ptr<char[]> bigger(new char[capacity]);
    if (kept > 0) std::memcpy(bigger.get(), buffer_.get() + begin_, kept);
    buffer_ = std::move(bigger);
    capacity_ = capacity;
  }
  begin_ = 0;
  end_ = kept;
}

net::Task<bool> Connection::fill() {
  if (watching_) {
    co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(
        [](auto handler, Connection* self) {
          self->watch_waiter_ = std::make_unique<asio::any_completion_handler<void()>>(std::move(handler));
        },
        asio::use_awaitable, this);
    co_return !failed_;
  }
  if (failed_) co_return false;
  make_room(1024);
  error_code error;
  const asio::mutable_buffer into(buffer_.get() + end_, capacity_ - end_);
  const std::size_t n = co_await stream_->async_read_some(into, asio::redirect_error(asio::use_awaitable, error));
  if (error || n == 0) {
    failed_ = failed_ || error != asio::error::eof;
    co_return false;
  }
  end_ += n;
  core_->bytes_received.add(n);
  co_return true;
}

net::Task<std::size_t> Connection::receive(std::byte* into, std::size_t size) {
  const asio::mutable_buffer buffer(into, size);
  error_code error;
  std::size_t n = stream_->try_read(&buffer, 1, error);
  if (error == asio::error::would_block) {
    error = {};
    n = co_await stream_->async_read_some(buffer, asio::redirect_error(asio::use_awaitable, error));
  }
  if (error || n == 0) {
    failed_ = true;  // a body that ends early leaves nothing to answer to
    co_return 0;
  }
  core_->bytes_received.add(n);
  progress(n);
  co_return n;
}

void Connection::progress(std::size_t bytes) {
  body_read_ += bytes;
  if (body_read_ - progress_mark_ < 64 * 1024 || phase_ != Phase::kBody) return;
  progress_mark_ = body_read_;
  loop_->timers.set(*this, SteadyClock::now() + core_->options.body_timeout);
}

void Connection::watch_peer() {
  if (watching_ || failed_) return;
  make_room(1024);
  watching_ = true;
  const asio::mutable_buffer into(buffer_.get() + end_, capacity_ - end_);
  stream_->start_read(&into, 1,
                      [self = shared_from_this()](error_code error, std::size_t n) { self->on_watched(error, n); });
}

void Connection::on_watched(error_code error, std::size_t n) {
  watching_ = false;
  if (error || n == 0) {
    failed_ = peer_gone_ = true;
    // A client that closed its half is taken as gone: who polls waits for an answer.
    if (phase_ == Phase::kHandler) cancel_.emit(asio::cancellation_type::terminal);
  } else {
    end_ += n;
    core_->bytes_received.add(n);
    // The next request arrived early. Go on watching while there is room; it is served after this one.
    if (phase_ == Phase::kHandler && !watch_waiter_ && end_ - begin_ < core_->options.max_header) watch_peer();
  }
  if (!watching_ && watch_waiter_) {
    const auto waiter = std::move(watch_waiter_);
    std::move (*waiter)();
  }
}

net::Task<void> Connection::linger() {
  // Without this the kernel would answer unread bytes with a reset, which can destroy our answer on its way.
  stream_->shutdown_write();
  if (body_done_ && !abandoned_ && begin_ == end_) co_return;
  enter(Phase::kLinger, kLingerTime);
  std::size_t dropped = 0;
  while (dropped < kLingerBytes) {
    begin_ = end_ = 0;
    const bool more = co_await fill();
    if (!more) co_return;
    dropped += end_;
  }
}

void Connection::enter(Phase phase, SteadyClock::duration limit) {
  phase_ = phase;
  const auto due = limit == SteadyClock::duration::max() ? SteadyClock::time_point::max() : SteadyClock::now() + limit;
  loop_->timers.set(*this, due);
}

void Connection::on_due() {
  switch (phase_) {
    case Phase::kHead:
      return abandon(408, ErrorCode::kDeadlineExceeded, "the request head did not arrive in time");
    case Phase::kBody:
      return abandon(408, ErrorCode::kDeadlineExceeded, "the request body did not arrive in time");
    case Phase::kHandler:
      return abandon(504, ErrorCode::kDeadlineExceeded, "the request was not answered within its deadline");
    case Phase::kHandshake:
    case Phase::kIdle:
    case Phase::kWrite:
    case Phase::kLinger:
      if (stream_) stream_->close();
      return;
  }
}

void Connection::abandon(int status, ErrorCode code, std::string message) {
  if (writing_) return stream_->close();  // a second write at a time is not possible; the peer does not read anyway
  const bool in_handler = phase_ == Phase::kHandler;
  if (phase_ == Phase::kHead) {
    started_ = SteadyClock::now();
    accounted_ = false;
    core_->refused_requests.add();
  }
  abandoned_ = close_after_ = true;
  Response answer = error_response(route_, status, Error(code, std::move(message)));
  render(answer);
  std::string text = std::move(out_);
  out_.clear();
  for (const Bytes& part : answer.body) text += part.text();
  account(status);
  enter(Phase::kLinger, kLingerTime);
  asio::co_spawn(loop_->io, write_farewell(shared_from_this(), std::move(text)), asio::detached);
  if (in_handler) cancel_.emit(asio::cancellation_type::terminal);
}

net::Task<void> Connection::write_farewell(std::shared_ptr<Connection> self, std::string text) {
  asio::const_buffer rest(text.data(), text.size());
  while (rest.size() > 0) {
    error_code error;
    const std::size_t n =
        co_await self->stream_->async_write_some(rest, asio::redirect_error(asio::use_awaitable, error));
    if (error) break;
    rest += n;
  }
  self->stream_->shutdown_write();
  // The first coroutine may wait for its handler for long; the timer of the linger phase closes the stream.
}

void Connection::drain() {
  if (phase_ == Phase::kIdle && begin_ == end_) {
    stream_->close();
  } else if (const auto socket = socket_.lock()) {
    socket->go_away();
  } else if (phase_ == Phase::kHandler && (awaiting_piece_ || (route_ != nullptr && route_->options.long_lived))) {
    cancel_.emit(asio::cancellation_type::terminal);
  }
}

void Connection::cut() {
  abandoned_ = close_after_ = true;
  if (stream_) stream_->close();
  cancel_.emit(asio::cancellation_type::terminal);
}

}  // namespace sedna::serve
