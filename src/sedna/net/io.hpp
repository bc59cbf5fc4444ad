// Coroutine reads and writes over a Stream, deadlines for them, and connecting. Called by the server core, the
// WebSocket helper and tests. Each operation tries at once and goes through the executor only when it would have to
// wait.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sedna/base/clock.hpp"
#include "sedna/net/http.hpp"
#include "sedna/net/stream.hpp"
#include "sedna/net/tls.hpp"

namespace sedna::net {

/// What an operation moved before it ended, and the error that ended it, if any (eof at the end of the stream,
/// timed_out when a deadline of the call or of the stream's watchdog passed).
struct IoResult {
  boost::system::error_code error;
  std::size_t bytes = 0;
  bool ok() const { return !error; }
  bool eof() const { return error == asio::error::eof; }
};

/// At least one byte, or an error. `into` must not be empty.
Task<IoResult> read_some(Stream& stream, asio::mutable_buffer into);
/// All of `into`, or an error and what came before it.
Task<IoResult> read_exact(Stream& stream, asio::mutable_buffer into);
/// All parts in order, gathered into as few writes as the stream allows, or an error. The memory is the caller's.
Task<IoResult> write_all(Stream& stream, std::vector<asio::const_buffer> parts);

/// The same with a deadline; past it the stream is closed and the error is timed_out. For several operations under one
/// deadline a Watchdog is cheaper.
Task<IoResult> read_some(Stream& stream, asio::mutable_buffer into, Deadline deadline);
Task<IoResult> read_exact(Stream& stream, asio::mutable_buffer into, Deadline deadline);
Task<IoResult> write_all(Stream& stream, std::vector<asio::const_buffer> parts, Deadline deadline);

/// Closes a stream when a deadline passes, whoever waits on it. One per connection: moving the deadline later or
/// clearing it costs nothing, because the timer looks again when it fires. From the stream's executor only. The stream
/// outlives it.
class Watchdog {
 public:
  explicit Watchdog(Stream& stream);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  void set(Deadline deadline);
  void clear() { set(Deadline::never()); }
  /// The stream was closed because a deadline passed.
  bool fired() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// Connects over TCP: resolves, then tries every address, all within one deadline (a silent address gets its share of
/// the time). Throws Error: kUnavailable, kDeadlineExceeded.
Task<StreamPtr> connect_tcp_stream(std::string host, std::uint16_t port, Deadline deadline);
/// As a URL says: https and wss go on with a TLS handshake (with `tls`, or the system's authorities when absent).
Task<StreamPtr> connect_stream(Url url, std::optional<TlsContext> tls, Deadline deadline);

/// The Error that an IoResult's error means: kDeadlineExceeded, kUnavailable, with `doing` in the message.
Error io_error(const boost::system::error_code& error, std::string_view doing, std::string subject = {});

}  // namespace sedna::net
