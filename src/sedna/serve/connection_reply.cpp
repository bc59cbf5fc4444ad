// From a parsed head to a written answer: who may, which handler, what it said.
#include <charconv>
#include <chrono>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "sedna/base/log.hpp"
#include "sedna/base/text.hpp"
#include "sedna/net/http_parse.hpp"
#include "sedna/serve/connection.hpp"
#include "sedna/serve/streamed_body.hpp"
#include "sedna/serve/trace.hpp"

namespace sedna::serve {

using boost::system::error_code;

namespace {

constexpr std::uint64_t kSmallBody = 64 * 1024;
constexpr std::size_t kPartsAtOnce = 16;

/// A request in a handler counts until the handler has really ended.
class InHandler {
 public:
  InHandler(Core& core, bool counted) : core_(core), counted_(counted) {
    if (counted_) core_.in_handlers.fetch_add(1, std::memory_order_relaxed);
    core_.in_flight_gauge.add(1);
  }
  ~InHandler() {
    if (counted_) core_.in_handlers.fetch_sub(1, std::memory_order_relaxed);
    core_.in_flight_gauge.add(-1);
  }
  InHandler(const InHandler&) = delete;
  InHandler& operator=(const InHandler&) = delete;

 private:
  Core& core_;
  bool counted_;
};

bool framed_by_us(std::string_view name) {
  return equal_ignoring_case(name, "Content-Length") || equal_ignoring_case(name, "Transfer-Encoding") ||
         equal_ignoring_case(name, "Connection") || equal_ignoring_case(name, "Date");
}

void append_number(std::string& out, std::uint64_t n) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, n).ptr;
  out.append(digits, end);
}

bool bodiless(int status) {
  return status == 204 || status == 304 || status < 200;
}

}  // namespace

std::size_t Connection::body_limit(const Route& route) const {
  const std::size_t limit = route.options.max_body > 0 ? route.options.max_body : core_->options.max_body;
  return std::min(limit, std::size_t{1} << 60);
}

Response Connection::error_response(const Route* route, int status, const Error& error) const {
  if (route != nullptr && route->options.error_body) return route->options.error_body(status, error);
  return default_error_body(status, error);
}

bool Connection::authenticate(const Route& route, Response& refusal) {
  request_.identity = Identity();
  if (route.options.anonymous || !core_->need_identity()) return true;
  const std::string_view authorization = head_.headers.get("Authorization");
  if (const auto token = identity::bearer_token(authorization)) {
    if (auto principal = core_->identity_of(*token)) {
      request_.identity = *std::move(principal);
    } else {
      refusal = error_response(&route, 401, Error(ErrorCode::kUnauthenticated, "the bearer token is not known here"));
      refusal.headers.add("WWW-Authenticate", "Bearer realm=\"sedna\", error=\"invalid_token\"");
      return false;
    }
  } else if (!identity_from_tls_.empty()) {
    request_.identity.name = identity_from_tls_;
  } else {
    refusal = error_response(&route, 401, Error(ErrorCode::kUnauthenticated, "a bearer token is needed"));
    refusal.headers.add("WWW-Authenticate", "Bearer realm=\"sedna\"");
    return false;
  }
  if (route.options.roles.empty()) return true;
  for (const std::string& role : route.options.roles) {
    if (request_.identity.has_role(role)) return true;
  }
  refusal =
      error_response(&route, 403, Error(ErrorCode::kPermissionDenied, "this identity lacks the role that is needed"));
  return false;
}

Route* Connection::admit(Response& refusal) {
  Router::Match match = core_->router.match(head_.method, head_.raw_path, request_.params);
  if (match.route == nullptr) {
    const bool wrong_method = !match.allow.empty();
    const int status = wrong_method ? 405 : 404;
    const Error error(wrong_method ? ErrorCode::kInvalidArgument : ErrorCode::kNotFound,
                      wrong_method ? "this path takes " + match.allow : std::string("nothing is served at this path"),
                      head_.raw_path);
    refusal = core_->options.not_found ? core_->options.not_found(status, error) : default_error_body(status, error);
    if (wrong_method) refusal.headers.set("Allow", std::move(match.allow));
    return nullptr;
  }
  Route* const route = route_ = match.route;
  if (!authenticate(*route, refusal)) return nullptr;
  const std::size_t limit = body_limit(*route);
  if (head_.content_length.value_or(0) > limit) {
    refusal = error_response(
        route, 413,
        Error(ErrorCode::kResourceExhausted, "the request body is larger than " + std::to_string(limit) + " bytes"));
    return nullptr;
  }
  if (!limit_time(*route, refusal)) return nullptr;
  const bool counted = !route->options.long_lived && !route->options.uncounted && !route->websocket;
  if (counted && core_->in_handlers.load(std::memory_order_relaxed) >= core_->options.max_queue) {
    refusal = error_response(route, 503, Error(ErrorCode::kUnavailable, "too many requests are under way"));
    refusal.headers.set("Retry-After", "1");
    return nullptr;
  }
  return route;
}

bool Connection::limit_time(const Route& route, Response& refusal) {
  const RouteOptions& options = route.options;
  const bool open_ended = options.long_lived || options.stream_body || route.websocket;
  handler_limit_ =
      options.deadline.value_or(open_ended ? SteadyClock::duration::max() : core_->options.request_deadline);
  request_.deadline = Deadline::never();
  if (const auto wish = head_.headers.find("X-Request-Timeout-Ms")) {
    std::uint32_t ms = 0;
    const auto [end, bad] = std::from_chars(wish->data(), wish->data() + wish->size(), ms);
    if (bad != std::errc() || end != wish->data() + wish->size() || ms == 0) {
      const Error error(ErrorCode::kInvalidArgument, "expected a whole number of milliseconds above 0",
                        "X-Request-Timeout-Ms");
      refusal = error_response(&route, 400, error);
      return false;
    }
    request_.deadline = Deadline(started_ + std::chrono::milliseconds(ms));
  }
  return true;
}

net::Task<void> Connection::serve_one() {
  started_ = SteadyClock::now();
  accounted_ = false;
  sent_ = 0;
  refusal_.reset();
  close_after_ = !head_.keep_alive;
  body_left_ = head_.content_length.value_or(0);
  body_done_ = !head_.has_body();
  body_read_ = progress_mark_ = 0;
  continue_owed_ = head_.expect_continue && !body_done_;
  if (head_.chunked) chunks_ = net::ChunkDecoder();
  assign_request_id(request_.request_id, head_.headers.get("X-Request-Id"));
  assign_traceparent(request_.traceparent, head_.headers.get("traceparent"));
  head_parsed_ = true;
  request_.method.clear();
  request_.path.clear();
  Response refusal;
  Route* const route = admit(refusal);
  if (route == nullptr) {
    co_await respond(std::move(refusal));
    co_return;
  }
  request_.method.swap(head_.method);
  request_.path.swap(head_.path);
  request_.target.swap(head_.target);
  std::swap(request_.headers, head_.headers);
  const bool upgrades = net::has_token(request_.headers.get("Upgrade"), "websocket");
  if (route->websocket && (upgrades || !route->handler)) {
    co_await run_websocket(*route);
    co_return;
  }
  const bool streams = route->options.stream_body;
  StreamedBody body(*this, body_limit(*route));
  body.set_total(head_.content_length.value_or(0));
  request_.stream = streams ? &body : nullptr;
  if (streams) {
    request_.body = Bytes();
  } else {
    const bool ready = co_await prepare_body(*route);
    if (!ready) co_return;
  }
  Response response = co_await call(*route);
  request_.stream = nullptr;
  request_.body = Bytes();
  if (abandoned_) co_return;
  co_await respond(std::move(response));
}

net::Task<Response> Connection::call(const Route& route) {
  const InHandler in_handler(*core_, !route.options.long_lived && !route.options.uncounted);
  if (handler_limit_ != SteadyClock::duration::max()) {
    request_.deadline = request_.deadline.earlier(Deadline::after(handler_limit_));
  }
  enter(Phase::kHandler, request_.deadline.remaining());
  if (route.options.long_lived && body_done_) watch_peer();
  Response answer;
  int status = 0;
  std::optional<Error> error;
  // A cancellation that comes between two waits of the handler ends the next one; our own reads and writes go on.
  co_await asio::this_coro::throw_if_cancelled(true);
  try {
    answer = co_await route.handler(request_);
  } catch (const Error& e) {
    error = e;
    status = http_status(e.code());
  } catch (const boost::system::system_error& e) {
    const bool cancelled = e.code() == asio::error::operation_aborted;
    error = cancelled ? Error(ErrorCode::kUnavailable, "the request was cancelled")
                      : Error(ErrorCode::kInternal, "internal error");
    status = http_status(error->code());
    if (!cancelled)
      log::error("a handler failed",
                 {{"route", route.label}, {"request_id", request_.request_id}, {"error", e.what()}});
  } catch (const std::exception& e) {
    error = Error(ErrorCode::kInternal, "internal error");
    status = 500;
    log::error("a handler failed", {{"route", route.label}, {"request_id", request_.request_id}, {"error", e.what()}});
  }
  co_await asio::this_coro::throw_if_cancelled(false);
  if (error && !abandoned_) {
    answer = error_response(&route, status, *error);
    if (status == 503) answer.headers.set("Retry-After", "1");
  }
  co_return answer;
}

void Connection::render(const Response& response) {
  std::string& out = out_;
  out.clear();
  out += "HTTP/1.1 ";
  append_number(out, static_cast<std::uint64_t>(response.status));
  out += ' ';
  out += net::reason_phrase(response.status);
  out += "\r\n";
  if (!core_->options.server_name.empty()) {
    out += "Server: ";
    out += core_->options.server_name;
    out += "\r\n";
  }
  out += loop_->date_line(SteadyClock::now());
  for (const auto& [name, value] : response.headers) {
    if (framed_by_us(name)) continue;
    // What a handler took from outside must not become header fields of its own.
    if (!net::is_token(name) || !net::is_field_value(value)) {
      log::error("a handler's header field is left out: it has a control character", {{"name", name}});
      continue;
    }
    out += name;
    out += ": ";
    out += value;
    out += "\r\n";
  }
  if (!request_.request_id.empty()) {
    out += "X-Request-Id: ";
    out += request_.request_id;
    out += "\r\n";
  }
  std::uint64_t size = 0;
  for (const Bytes& part : response.body) size += part.size();
  const auto produced = response.producer ? response.producer->content_length() : std::optional<std::uint64_t>(0);
  if (!bodiless(response.status)) {
    if (produced) {
      out += "Content-Length: ";
      append_number(out, size + *produced);
      out += "\r\n";
    } else if (head_.minor_version >= 1) {
      out += "Transfer-Encoding: chunked\r\n";
    } else {
      close_after_ = true;
    }
  }
  if (close_after_) {
    out += "Connection: close\r\n";
  } else if (head_.minor_version == 0) {
    out += "Connection: keep-alive\r\n";
  }
  out += "\r\n";
}

net::Task<bool> Connection::respond(Response response) {
  if (abandoned_ || failed_) {
    account(peer_gone_ ? 499 : response.status);
    co_return false;
  }
  const bool discard = !body_done_ && !continue_owed_ && !close_after_ && !head_.chunked && body_left_ <= kSmallBody;
  if (!body_done_ && !discard) close_after_ = true;
  close_after_ = close_after_ || response.close || core_->draining.load(std::memory_order_relaxed);
  const bool head_only = head_parsed_ && (head_.method == "HEAD" || request_.method == "HEAD");
  render(response);
  enter(Phase::kWrite, core_->options.body_timeout);
  const bool with_body = !head_only && !bodiless(response.status);
  const bool chunked = response.producer && !response.producer->content_length() && head_.minor_version >= 1;
  parts_.clear();
  parts_.emplace_back(out_.data(), out_.size());
  char size_line[24];
  if (with_body) {
    std::uint64_t size = 0;
    for (const Bytes& part : response.body) size += part.size();
    if (chunked && size > 0) {
      const int n = std::snprintf(size_line, sizeof size_line, "%llx\r\n", static_cast<unsigned long long>(size));
      parts_.emplace_back(size_line, static_cast<std::size_t>(n));
    }
    for (const Bytes& part : response.body) {
      if (!part.empty()) parts_.emplace_back(part.data(), part.size());
    }
    if (chunked && size > 0) parts_.emplace_back("\r\n", 2);
  }
  bool ok = co_await write_all(parts_.data(), parts_.size());
  if (ok && with_body && response.producer) ok = co_await produce(*response.producer, chunked);
  account(response.status);
  if (ok && discard && !close_after_) {
    const bool clean = co_await discard_body();
    close_after_ = close_after_ || !clean;
  }
  co_return ok;
}

net::Task<bool> Connection::produce(BodyProducer& producer, bool chunked) {
  std::string failure;
  try {
    for (;;) {
      enter(Phase::kWrite, core_->options.body_timeout);
      const Bytes piece = co_await await_piece(producer);
      if (abandoned_ || failed_) co_return false;
      char size_line[24];
      const int n = std::snprintf(size_line, sizeof size_line, "%zx\r\n", piece.size());
      asio::const_buffer buffers[3];
      std::size_t count = 0;
      if (chunked) buffers[count++] = asio::const_buffer(size_line, static_cast<std::size_t>(n));
      if (!piece.empty()) buffers[count++] = asio::const_buffer(piece.data(), piece.size());
      if (chunked) buffers[count++] = asio::const_buffer("\r\n", 2);
      if (count > 0) {
        const bool ok = co_await write_all(buffers, count);
        if (!ok) co_return false;
      }
      if (piece.empty()) co_return true;
    }
  } catch (const std::exception& e) {
    failure = e.what();
  }
  // The status is out already: the only way left to say that this is not whole is to cut the connection.
  log::error("a response body failed", {{"request_id", request_.request_id}, {"error", failure}});
  failed_ = true;
  co_return false;
}

net::Task<Bytes> Connection::await_piece(BodyProducer& producer) {
  if (!producer.waits()) {
    Bytes piece = co_await producer.next();
    co_return piece;
  }
  // As a long poll: no deadline, and whether the client is still there is looked at meanwhile.
  if (core_->draining.load(std::memory_order_relaxed)) co_return Bytes();
  enter(Phase::kHandler, SteadyClock::duration::max());
  watch_peer();
  awaiting_piece_ = true;
  Bytes piece;
  std::exception_ptr failure;
  co_await asio::this_coro::throw_if_cancelled(true);
  try {
    piece = co_await producer.next();
  } catch (const boost::system::system_error& e) {
    if (e.code() != asio::error::operation_aborted) failure = std::current_exception();
  } catch (const std::exception&) {
    failure = std::current_exception();
  }
  co_await asio::this_coro::throw_if_cancelled(false);
  awaiting_piece_ = false;
  enter(Phase::kWrite, core_->options.body_timeout);
  if (failure) std::rethrow_exception(failure);
  co_return piece;
}

net::Task<bool> Connection::write_all(const asio::const_buffer* buffers, std::size_t count) {
  asio::const_buffer window[kPartsAtOnce];
  std::size_t next = 0;  // the first buffer that is not in the window
  std::size_t filled = 0;
  for (;;) {
    while (filled < kPartsAtOnce && next < count) window[filled++] = buffers[next++];
    if (filled == 0) co_return true;
    error_code error;
    std::size_t n = stream_->try_write(window, filled, error);
    if (error == asio::error::would_block) {
      error = {};
      writing_ = true;
      const std::span<const asio::const_buffer> parts(window, filled);
      n = co_await stream_->async_write_some(parts, asio::redirect_error(asio::use_awaitable, error));
      writing_ = false;
    }
    if (error || abandoned_) {
      failed_ = true;
      co_return false;
    }
    sent_ += n;
    core_->bytes_sent.add(n);
    std::size_t gone = 0;
    while (gone < filled && n >= window[gone].size()) n -= window[gone++].size();
    std::move(window + gone, window + filled, window);
    filled -= gone;
    if (filled > 0) {
      window[0] += n;
      // A slow reader is given the time again for each piece it takes.
      if (phase_ == Phase::kWrite) loop_->timers.set(*this, SteadyClock::now() + core_->options.body_timeout);
    }
  }
}

void Connection::account(int status) {
  if (accounted_) return;
  accounted_ = true;
  const double seconds = std::chrono::duration<double>(SteadyClock::now() - started_).count();
  if (route_ != nullptr) {
    route_->count(status);
    if (!route_->options.long_lived && !route_->websocket) route_->duration->observe(seconds);
  }
  if (!core_->options.access_log || !log::enabled(log::Level::kInfo)) return;
  // The path without its query: that may carry what is nobody's business.
  const bool moved = !request_.path.empty() && head_.path.empty();
  log::info("request", {{"method", moved ? request_.method : head_.method},
                        {"path", moved ? request_.path : head_.path},
                        {"status", status},
                        {"received", head_.content_length.value_or(body_read_)},
                        {"sent", sent_},
                        {"ms", seconds * 1e3},
                        {"remote", request_.remote},
                        {"identity", request_.identity.name},
                        {"request_id", request_.request_id},
                        {"trace", trace_id_of(request_.traceparent)}});
}

}  // namespace sedna::serve
