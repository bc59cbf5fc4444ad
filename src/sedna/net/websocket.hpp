// WebSocket (RFC 6455) over any Stream, both ends. The server core builds its sockets on it; clients connect by URL.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "sedna/base/clock.hpp"
#include "sedna/net/http.hpp"
#include "sedna/net/stream.hpp"
#include "sedna/net/tls.hpp"

namespace sedna::net {

struct WebSocketOptions {
  WebSocketOptions() {}
  std::size_t max_message = std::size_t{16} << 20;  ///< larger ones are refused with close code 1009
  bool deflate = false;  ///< offer (client) or accept (server) permessage-deflate; max_message bounds the inflated size
  SteadyClock::duration handshake_timeout = std::chrono::seconds(10);
  /// Without a byte for half of this a ping is sent; without one for all of it the connection is dropped. 0: never.
  SteadyClock::duration idle_timeout = std::chrono::seconds(60);
  Headers headers;  ///< extra fields of the handshake (client: Authorization …; server: Sec-WebSocket-Protocol …)
};

/// Close codes of RFC 6455, section 7.4.1, as far as we send them.
enum class CloseCode : std::uint16_t {
  kNormal = 1000,
  kGoingAway = 1001,
  kProtocolError = 1002,
  kUnsupportedData = 1003,
  kBadPayload = 1007,
  kPolicyViolation = 1008,
  kTooBig = 1009,
  kInternalError = 1011,
  kTryAgainLater = 1013,
};

/// An open connection. One read and one write (or close) at a time; all calls from the stream's executor. Pings are
/// answered while a read is under way.
class WebSocketStream {
 public:
  struct Message {
    bool text = true;
    Bytes data;  ///< 64-byte aligned
  };
  /// Server side, after the request's head was read elsewhere: answers the handshake. `leftover` are bytes that came
  /// behind the head. `stream` outlives the result. Throws Error(kInvalidArgument) for what is no valid upgrade (the
  /// refusal has then been sent), kUnavailable when the peer goes away.
  static Task<std::unique_ptr<WebSocketStream>> accept(Stream& stream, HttpRequest request, std::string leftover,
                                                       WebSocketOptions options);
  /// Client side over a connected stream. Throws Error with the code that the server's status means when it refuses.
  static Task<std::unique_ptr<WebSocketStream>> handshake(StreamPtr stream, std::string host, std::string target,
                                                          WebSocketOptions options);
  /// Client side from a ws(s):// or http(s):// URL.
  static Task<std::unique_ptr<WebSocketStream>> connect(std::string url, std::optional<TlsContext> tls,
                                                        WebSocketOptions options, Deadline deadline);
  virtual ~WebSocketStream() = default;

  /// The next whole message; nothing once the peer has closed. Throws Error: kUnavailable (cut off), kResourceExhausted
  /// (too large), kInvalidArgument (protocol violation), kDeadlineExceeded (idle too long).
  virtual Task<std::optional<Message>> read() = 0;
  virtual Task<void> write(bool text, Bytes data) = 0;
  /// Sends a close frame and waits for the peer's (at most handshake_timeout). Reasons are cut to 123 bytes.
  virtual Task<void> close(std::uint16_t code, std::string reason) = 0;
  /// Drops the connection without a word; a read or write under way ends with an error.
  virtual void abort() noexcept = 0;
  /// What the peer said when it closed; 0 before, 1005 when it gave no code.
  virtual std::uint16_t close_code() const = 0;
  virtual std::string close_reason() const = 0;
};

}  // namespace sedna::net
