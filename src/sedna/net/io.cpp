#include "sedna/net/io.hpp"

#include <algorithm>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace sedna::net {
namespace {

// Drops what has been written from the front of the parts.
void advance(std::vector<asio::const_buffer>& parts, std::size_t& first, std::size_t bytes) {
  while (first < parts.size() && bytes >= parts[first].size()) {
    bytes -= parts[first].size();
    ++first;
  }
  if (bytes > 0) parts[first] += bytes;
}

}  // namespace

Task<IoResult> read_some(Stream& stream, asio::mutable_buffer into) {
  IoResult result;
  result.bytes = stream.try_read(&into, 1, result.error);
  if (result.error == asio::error::would_block) {
    result.error = {};
    result.bytes = co_await stream.async_read_some(into, asio::redirect_error(asio::use_awaitable, result.error));
  }
  co_return result;
}

Task<IoResult> read_exact(Stream& stream, asio::mutable_buffer into) {
  IoResult total;
  while (total.bytes < into.size()) {
    const asio::mutable_buffer rest = into + total.bytes;
    const IoResult step = co_await read_some(stream, rest);
    total.bytes += step.bytes;
    total.error = step.error;
    if (step.error) break;
  }
  co_return total;
}

Task<IoResult> write_all(Stream& stream, std::vector<asio::const_buffer> parts) {
  IoResult total;
  std::erase_if(parts, [](const asio::const_buffer& part) { return part.size() == 0; });
  std::size_t first = 0;
  while (first < parts.size()) {
    const std::size_t count = std::min<std::size_t>(parts.size() - first, Stream::kMaxBuffers);
    std::size_t n = stream.try_write(parts.data() + first, count, total.error);
    if (total.error == asio::error::would_block) {
      total.error = {};
      const std::span<const asio::const_buffer> window(parts.data() + first, count);
      n = co_await stream.async_write_some(window, asio::redirect_error(asio::use_awaitable, total.error));
    }
    total.bytes += n;
    if (total.error) break;
    advance(parts, first, n);
  }
  co_return total;
}

struct Watchdog::State : std::enable_shared_from_this<State> {
  explicit State(Stream& watched) : stream(&watched), timer(watched.get_executor()) {}

  void arm() {
    armed_for = deadline;
    waiting = true;
    timer.expires_at(deadline.at());
    timer.async_wait([self = shared_from_this()](boost::system::error_code error) { self->wake(error); });
  }
  void wake(boost::system::error_code error) {
    if (error == asio::error::operation_aborted) return;  // replaced by an earlier deadline, or the watchdog is gone
    waiting = false;
    if (stream == nullptr || deadline.is_never()) return;
    if (!deadline.expired()) {
      arm();
      return;
    }
    fired = true;
    stream->close();
  }

  Stream* stream;  // null once the watchdog is gone
  asio::steady_timer timer;
  Deadline deadline;
  Deadline armed_for;
  bool waiting = false;
  bool fired = false;
};

Watchdog::Watchdog(Stream& stream) : state_(std::make_shared<State>(stream)) {}

Watchdog::~Watchdog() {
  state_->stream = nullptr;
  state_->timer.cancel();
}

void Watchdog::set(Deadline deadline) {
  state_->deadline = deadline;
  if (deadline.is_never() || state_->fired) return;
  if (!state_->waiting || deadline.at() < state_->armed_for.at()) state_->arm();
}

bool Watchdog::fired() const {
  return state_->fired;
}

Task<IoResult> read_some(Stream& stream, asio::mutable_buffer into, Deadline deadline) {
  IoResult result;
  result.bytes = stream.try_read(&into, 1, result.error);
  if (result.error != asio::error::would_block) co_return result;
  Watchdog watchdog(stream);
  watchdog.set(deadline);
  result = co_await read_some(stream, into);
  if (result.error && watchdog.fired()) result.error = asio::error::timed_out;
  co_return result;
}

Task<IoResult> read_exact(Stream& stream, asio::mutable_buffer into, Deadline deadline) {
  Watchdog watchdog(stream);
  watchdog.set(deadline);
  IoResult result = co_await read_exact(stream, into);
  if (result.error && watchdog.fired()) result.error = asio::error::timed_out;
  co_return result;
}

Task<IoResult> write_all(Stream& stream, std::vector<asio::const_buffer> parts, Deadline deadline) {
  Watchdog watchdog(stream);
  watchdog.set(deadline);
  IoResult result = co_await write_all(stream, std::move(parts));
  if (result.error && watchdog.fired()) result.error = asio::error::timed_out;
  co_return result;
}

Error io_error(const boost::system::error_code& error, std::string_view doing, std::string subject) {
  if (error == asio::error::timed_out) {
    return Error(ErrorCode::kDeadlineExceeded, "deadline passed while " + std::string(doing), std::move(subject));
  }
  const std::string what = error == asio::error::eof ? "connection closed by the peer" : error.message();
  return Error(ErrorCode::kUnavailable, what + " while " + std::string(doing), std::move(subject));
}

}  // namespace sedna::net
