// Request bodies: whole ones straight into an aligned buffer, streamed ones as the handler asks.
#include <charconv>
#include <cstring>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "sedna/serve/connection.hpp"
#include "sedna/serve/streamed_body.hpp"

namespace sedna::serve {
namespace {

constexpr std::size_t kFirstChunked = 16 * 1024;
constexpr std::size_t kDiscardAtMost = 64 * 1024;

}  // namespace

net::Task<void> Connection::send_continue() {
  continue_owed_ = false;
  if (begin_ != end_) co_return;  // the body is coming already
  static constexpr std::string_view kText = "HTTP/1.1 100 Continue\r\n\r\n";
  const asio::const_buffer part(kText.data(), kText.size());
  co_await write_all(&part, 1);
}

net::Task<bool> Connection::prepare_body(const Route& route) {
  request_.body = Bytes();
  if (body_done_) co_return true;
  const std::size_t limit = body_limit(route);
  enter(Phase::kBody, core_->options.body_timeout);
  if (continue_owed_) co_await send_continue();
  bool ok = false;
  bool no_memory = false;
  try {
    if (head_.chunked) {
      ok = co_await read_chunked(limit);
    } else {
      ok = co_await read_sized(body_left_, padding(route, body_left_));
    }
  } catch (const Error&) {
    no_memory = true;  // the only error thrown there
  }
  if (no_memory) {
    Response refusal = error_response(&route, 503, Error(ErrorCode::kUnavailable, "no memory for the request body"));
    co_await respond(std::move(refusal));
  }
  if (refusal_ && !abandoned_) {
    const HttpRefusal refusal = *refusal_;
    close_after_ = true;
    Response answer =
        error_response(&route, refusal.status, Error(error_code_from_http(refusal.status), refusal.message));
    co_await respond(std::move(answer));
  }
  co_return ok && !abandoned_;
}

/// Bytes left free before the body so that the byte the route asks for is aligned; 0 unless the header names one
/// inside.
std::size_t Connection::padding(const Route& route, std::uint64_t size) const {
  if (route.options.align_at_header.empty()) return 0;
  const auto field = request_.headers.find(route.options.align_at_header);
  if (!field) return 0;
  std::size_t offset = 0;
  const auto [end, bad] = std::from_chars(field->data(), field->data() + field->size(), offset);
  if (bad != std::errc() || end != field->data() + field->size() || offset >= size) return 0;
  return (kBufferAlignment - offset % kBufferAlignment) % kBufferAlignment;
}

net::Task<bool> Connection::read_sized(std::uint64_t size, std::size_t before) {
  AlignedBuffer body(before + static_cast<std::size_t>(size));
  std::byte* const into = body.data() + before;
  std::size_t have = std::min(static_cast<std::size_t>(size), end_ - begin_);
  if (have > 0) std::memcpy(into, buffer_.get() + begin_, have);
  begin_ += have;
  while (have < size) {
    const std::size_t n = co_await receive(into + have, static_cast<std::size_t>(size) - have);
    if (n == 0 || abandoned_) co_return false;
    have += n;
  }
  body_left_ = 0;
  body_done_ = true;
  request_.body = std::move(body).freeze().slice(before, static_cast<std::size_t>(size));
  co_return true;
}

net::Task<bool> Connection::read_chunked(std::size_t limit) {
  AlignedBuffer body(std::min(kFirstChunked, limit));
  std::size_t have = 0;
  for (;;) {
    std::size_t wanted = have;
    if (begin_ == end_) {
      if (chunks_.pending() == 0) {
        const bool more = co_await fill();
        if (!more || abandoned_) co_return false;
        progress(end_ - begin_);
        continue;
      }
      wanted += static_cast<std::size_t>(std::min<std::uint64_t>(chunks_.pending(), limit + 1));
    } else {
      const auto input = std::as_bytes(std::span(buffer_.get() + begin_, end_ - begin_));
      auto step = chunks_.feed(input);
      if (!step) {
        refusal_ = HttpRefusal{400, step.error().message()};
        co_return false;
      }
      begin_ += step->consumed;
      wanted += step->data.size();
      if (wanted <= body.size() && !step->data.empty()) {
        std::memcpy(body.data() + have, step->data.data(), step->data.size());
        have = wanted;
      } else if (!step->data.empty() && wanted <= limit) {
        AlignedBuffer bigger(std::min(limit, std::max(wanted, 2 * body.size())));
        std::memcpy(bigger.data(), body.data(), have);
        std::memcpy(bigger.data() + have, step->data.data(), step->data.size());
        body = std::move(bigger);
        have = wanted;
      }
      wanted += static_cast<std::size_t>(std::min<std::uint64_t>(chunks_.pending(), limit + 1));
    }
    if (wanted > limit) {
      refusal_ = HttpRefusal{413, "the request body is larger than " + std::to_string(limit) + " bytes"};
      co_return false;
    }
    if (chunks_.done()) break;
    if (begin_ != end_ || chunks_.pending() == 0) continue;
    // The rest of this chunk goes straight where it belongs, as far as it fits without trusting the size it claims.
    if (have == body.size()) {
      AlignedBuffer bigger(std::min(limit, std::max(2 * body.size(), kFirstChunked)));
      std::memcpy(bigger.data(), body.data(), have);
      body = std::move(bigger);
    }
    const auto room = static_cast<std::size_t>(std::min<std::uint64_t>(chunks_.pending(), body.size() - have));
    const std::size_t n = co_await receive(body.data() + have, room);
    if (n == 0 || abandoned_) co_return false;
    chunks_.skip(n);
    have += n;
  }
  body_done_ = true;
  request_.body = std::move(body).freeze(have);
  co_return true;
}

net::Task<bool> Connection::discard_body() {
  // Little that is already on its way is cheaper to read than a new connection would be.
  enter(Phase::kLinger, core_->options.header_timeout);
  std::size_t dropped = 0;
  while (!body_done_ && dropped <= kDiscardAtMost) {
    if (begin_ == end_) {
      const bool more = co_await fill();
      if (!more) co_return false;
    }
    if (head_.chunked) {
      const auto step = chunks_.feed(std::as_bytes(std::span(buffer_.get() + begin_, end_ - begin_)));
      if (!step) co_return false;
      begin_ += step->consumed;
      dropped += step->consumed;
      body_done_ = chunks_.done();
    } else {
      const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(body_left_, end_ - begin_));
      begin_ += n;
      dropped += n;
      body_left_ -= n;
      body_done_ = body_left_ == 0;
    }
  }
  co_return body_done_;
}

StreamedBody::StreamedBody(Connection& connection, std::size_t limit) : connection_(connection), limit_(limit) {}

std::optional<std::uint64_t> StreamedBody::content_length() const {
  return connection_.head_.chunked ? std::nullopt : std::optional<std::uint64_t>(total_);
}

net::Task<std::size_t> StreamedBody::read(std::span<std::byte> into) {
  Connection& c = connection_;
  if (c.body_done_ || into.empty()) co_return 0;
  if (c.continue_owed_) co_await c.send_continue();
  // While the handler waits for the client, the client's progress is what is timed.
  c.enter(Connection::Phase::kBody, c.core_->options.body_timeout);
  std::size_t n = 0;
  if (c.head_.chunked) {
    n = co_await read_chunk(into);
  } else {
    const auto room = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), c.body_left_));
    if (c.begin_ != c.end_) {
      n = std::min(room, c.end_ - c.begin_);
      std::memcpy(into.data(), c.buffer_.get() + c.begin_, n);
      c.begin_ += n;
    } else {
      n = co_await c.receive(into.data(), room);
    }
    c.body_left_ -= n;
    c.body_done_ = c.body_left_ == 0;
  }
  if (c.abandoned_ || (n == 0 && !c.body_done_)) {
    throw Error(ErrorCode::kAborted, "the client broke off while it sent the request body");
  }
  c.enter(Connection::Phase::kHandler, c.request_.deadline.remaining());
  total_ += c.head_.chunked ? n : 0;
  co_return n;
}

net::Task<std::size_t> StreamedBody::read_chunk(std::span<std::byte> into) {
  Connection& c = connection_;
  while (!c.chunks_.done()) {
    if (c.begin_ == c.end_ && c.chunks_.pending() > 0) {
      const auto room = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), c.chunks_.pending()));
      check_limit(room);
      const std::size_t n = co_await c.receive(into.data(), room);
      c.chunks_.skip(n);
      co_return n;
    }
    if (c.begin_ == c.end_) {
      const bool more = co_await c.fill();
      if (!more || c.abandoned_) co_return 0;
      c.progress(c.end_ - c.begin_);
    }
    const std::size_t room = std::min(into.size(), c.end_ - c.begin_);
    const auto step = c.chunks_.feed(std::as_bytes(std::span(c.buffer_.get() + c.begin_, room)));
    if (!step) {
      c.close_after_ = true;
      throw Error(ErrorCode::kInvalidArgument, step.error().message());
    }
    c.begin_ += step->consumed;
    if (!step->data.empty()) {
      check_limit(step->data.size());
      std::memcpy(into.data(), step->data.data(), step->data.size());
      co_return step->data.size();
    }
  }
  c.body_done_ = true;
  co_return 0;
}

void StreamedBody::check_limit(std::size_t next) const {
  if (total_ + next <= limit_) return;
  throw Error(ErrorCode::kResourceExhausted, "the request body is larger than " + std::to_string(limit_) + " bytes");
}

}  // namespace sedna::serve
