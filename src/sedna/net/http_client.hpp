// A blocking HTTP/1.1 client with a keep-alive pool. Each call drives its own connection on the calling thread (write,
// poll, read: no event loop, nothing handed over); one absolute deadline bounds resolve, connect, TLS, send and
// receive. No thread is started but for looking up a host name. Many threads may call one client; each call uses one
// connection.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "sedna/base/clock.hpp"
#include "sedna/net/http.hpp"

namespace sedna::net {

/// How to trust and identify over TLS. Neither ca_file nor ca_pem: the system's authorities.
struct TlsClientOptions {
  std::string ca_file;
  std::string cert_file;  ///< client certificate (mTLS), with key_file
  std::string key_file;
  bool verify = true;
  // The same as PEM text in memory, so that what came inside a configuration never touches a disk. Not with the file.
  std::string ca_pem;
  std::string cert_pem;
  std::string key_pem;
  std::string server_name;  ///< verified and sent as SNI instead of the URL's host
};

struct HttpClientOptions {
  TlsClientOptions tls;
  std::string bearer_token;  ///< sent as Authorization when not empty; never logged; never sent to another host
  std::string user_agent = "sedna/0.1";
  std::size_t max_idle = 16;  ///< connections kept
  SteadyClock::duration idle_timeout = std::chrono::seconds(60);
  SteadyClock::duration connect_timeout = std::chrono::seconds(5);
  std::size_t max_response_header = 64 * 1024;
  std::size_t max_response_body = std::size_t{1} << 30;
};

/// What went wrong, and whether the server can have executed the request: true once all of it was handed to the kernel
/// (a retry of what is not idempotent is safe only when false). Codes: kUnavailable (refused, reset, closed,
/// unresolvable), kDeadlineExceeded, kDataLoss (the answer is not HTTP), kResourceExhausted (larger than a limit),
/// kUnauthenticated (TLS trust), kInvalidArgument (the request itself). The subject is the URL without its query.
struct TransportFailure {
  Error error;
  bool may_have_executed = true;
};

/// One of the two is set.
struct HttpOutcome {
  std::optional<HttpResponse> response;
  std::optional<TransportFailure> failure;
};

/// Where a response body goes instead of memory: called with each piece in order; throw to stop.
using BodySink = std::function<void(std::span<const std::byte>)>;
/// Called once with status and headers before the first piece of a streamed body (206 or 200? which ETag?); throw to
/// stop.
using HeadSink = std::function<void(const HttpResponse&)>;

/// A response whose body is read piece by piece by one reader, on a connection of its own: a watch, a log that is
/// followed. Ends with the reader; made by HttpClient::open.
class HttpStream {
 public:
  virtual ~HttpStream() = default;
  /// Status and fields; the body is what next() brings.
  virtual const HttpResponse& head() const = 0;

  struct Piece {
    enum class State : std::uint8_t { kData, kEnd, kDeadline, kFailed };
    State state = State::kEnd;
    std::span<const std::byte> data{};  ///< kData: never empty; valid until the next call
    std::optional<Error> error{};       ///< kFailed: the link broke, or what came is not HTTP
  };
  /// Waits for bytes until the deadline; after kDeadline reading goes on. kEnd and kFailed stay.
  virtual Piece next(Deadline deadline) = 0;
  /// From any thread: a next() that waits, and every one after it, ends at once with kEnd.
  virtual void interrupt() = 0;
};

/// One of the two is set.
struct HttpStreamOutcome {
  std::unique_ptr<HttpStream> stream;
  std::optional<TransportFailure> failure;
};

class HttpClient {
 public:
  /// `origin`: http(s)://host:port, the only server this client talks to. Throws Error for a bad URL or TLS file.
  explicit HttpClient(std::string_view origin, HttpClientOptions options = {});
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// One exchange, no retry (but for one fresh connection when a kept one turns out closed before any byte was sent
  /// back and the method is idempotent or nothing of the request was accepted). Never throws for outside causes.
  /// Thread-safe.
  HttpOutcome exchange(const HttpRequest& request, Deadline deadline);
  /// As exchange; a 2xx body streams into `sink` (response.body stays empty; max_response_body does not bound it) after
  /// `head`, if set, has seen the header. What `head` or `sink` throws comes out of this call, the connection dropped.
  HttpOutcome exchange_to(const HttpRequest& request, Deadline deadline, const BodySink& sink,
                          const HeadSink& head = {});
  /// Sends the request on a fresh connection and returns when the header of the answer is there, whatever its status;
  /// `deadline` bounds that much. The connection is probed while nothing comes, so that a dead peer is noticed.
  HttpStreamOutcome open(const HttpRequest& request, Deadline deadline);
  /// Closes kept connections (after fork in the child they are dropped without a word by themselves).
  void close_idle();
  const Url& origin() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// GET/HEAD helper for the simple cases (health, metadata): follows up to 5 redirects, throws Error.
HttpResponse http_get(std::string_view url, Deadline deadline, const HttpClientOptions& options = {});

}  // namespace sedna::net
