// The one server core of the data plane: listener, TLS and identity, limits, deadlines, drain, health, /metrics, access
// log. A feature registers routes and nothing else.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sedna/base/clock.hpp"
#include "sedna/base/error.hpp"
#include "sedna/base/metrics.hpp"
#include "sedna/identity/principal.hpp"
#include "sedna/net/http.hpp"
#include "sedna/net/stream.hpp"

namespace sedna::serve {

using net::Task;

/// Who sent a request: the name that a bearer token or client certificate stands for; "" when nobody was asked.
using Identity = identity::Principal;

/// The body of a streamed request, read piece by piece (routes with RouteOptions::stream_body).
class BodyReader {
 public:
  virtual ~BodyReader() = default;
  /// Fills `into` with at least one byte; 0 at the end. Throws Error when the peer breaks off or the limit is passed.
  virtual Task<std::size_t> read(std::span<std::byte> into) = 0;
  virtual std::optional<std::uint64_t> content_length() const = 0;
};

struct Request {
  std::string method;
  std::string path;    ///< percent-decoded, no query; never contains ".." segments or NUL
  std::string target;  ///< as sent
  net::Headers headers;
  std::vector<std::string> params;  ///< what the route's {placeholders} matched, in order
  Bytes body;                       ///< 64-byte aligned, whole (unless the route streams)
  BodyReader* stream = nullptr;     ///< set when the route streams; valid until the handler ends
  std::string request_id;           ///< X-Request-Id as sent (cleaned) or made here; echoed
  std::string traceparent;  ///< W3C trace context as sent or made here, for calls made on behalf of this request
  /// The route's, counted from the handler's start, or the client's if earlier: "X-Request-Timeout-Ms: 250", counted
  /// from the arrival of the head. Past it the client has its 504.
  Deadline deadline;
  Identity identity;
  std::string remote;
  net::asio::any_io_executor executor;                                ///< of the connection
  std::optional<std::string_view> query(std::string_view key) const;  ///< raw value (not decoded), first of that key
};

/// A response body made while it is sent (a file, an export): at most one piece is in memory.
class BodyProducer {
 public:
  virtual ~BodyProducer() = default;
  /// The next piece; empty at the end. Throwing breaks the connection off, so that the client sees that it is not
  /// whole.
  virtual Task<Bytes> next() = 0;
  /// Length of the whole, when known; otherwise it is sent chunked.
  virtual std::optional<std::uint64_t> content_length() const { return std::nullopt; }
  /// True for a stream of events: next() may wait as long as it likes. Its wait is cancelled when the client goes or
  /// the server drains (the body then ends regularly).
  virtual bool waits() const { return false; }
};

/// Body parts are written with the header in one gathered write; each part stays alive until written.
struct Response {
  int status = 200;
  net::Headers headers;
  std::vector<Bytes> body;
  std::shared_ptr<BodyProducer> producer;  ///< sent after `body`
  bool close = false;                      ///< end the connection after this answer
  static Response json(int status, std::string text);
  static Response text(int status, std::string text, std::string content_type = "text/plain; charset=utf-8");
};

/// How a feature wants errors written: the default is {"error": "..."} as in the Open Inference Protocol.
using ErrorBody = std::function<Response(int status, const Error& error)>;

/// Runs on the connection's thread: it must not block (see offload.hpp). Past the deadline the client has been answered
/// and the result is dropped, so a handler owns what it uses. A sedna::Error becomes an answer by its code; other
/// exceptions 500.
using Handler = std::function<Task<Response>(Request& request)>;

/// A WebSocket connection after the handshake. One reader, one writer at a time; from its executor.
class WebSocket {
 public:
  virtual ~WebSocket() = default;
  struct Message {
    bool text = true;
    Bytes data;
  };
  /// The next message, or nothing when the peer closed. Throws Error otherwise. Pings are answered while reading.
  virtual Task<std::optional<Message>> read() = 0;
  virtual Task<void> write(bool text, Bytes data) = 0;
  virtual Task<void> close(std::uint16_t code, std::string reason) = 0;
};
using WebSocketHandler = std::function<Task<void>(Request& request, WebSocket& socket)>;

struct RouteOptions {
  RouteOptions() {}
  std::size_t max_body = 0;  ///< 0: the server's limit
  bool stream_body = false;  ///< the handler reads the body itself (large uploads)
  bool anonymous = false;    ///< needs no identity (health)
  /// Long poll: not counted against the queue and without deadline (unless `deadline` is set or the client sends one).
  /// The handler's wait is cancelled (its operation ends with operation_aborted) when the client goes or the server
  /// drains.
  bool long_lived = false;
  bool uncounted = false;                         ///< answered even when the queue is full (health)
  std::vector<std::string> roles;                 ///< the identity must have one of them; empty: any identity
  std::optional<SteadyClock::duration> deadline;  ///< instead of the server's
  std::optional<SteadyClock::duration>
      websocket_idle;       ///< without a byte (pings count) a WebSocket is dropped; 0: never
  Handler without_upgrade;  ///< answers plain GETs of a WebSocket's path; without it they are told to upgrade (426)
  std::string metric_name;  ///< label `route`; the pattern when empty
  /// Name of a request header whose value is an offset into the body (Inference-Header-Content-Length): the body is
  /// placed so that this byte is 64-byte aligned instead of the first one, and tensors behind a JSON part are used in
  /// place.
  std::string align_at_header;
  ErrorBody error_body;  ///< how this route's errors look
};

struct TlsServerOptions {
  std::string cert_file;
  std::string key_file;
  std::string client_ca_file;  ///< set: clients must show a certificate of this authority
};

struct ServerOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;  ///< 0: any; see Server::port()
  int listen_fd = -1;      ///< a socket that listens already, taken over instead of host and port (another namespace's)
  TlsServerOptions tls;
  std::string token_file;  ///< one "name:token[:role,role]" a line; mode must not be readable by others
  /// Instead of a token file: whom a bearer token stands for, from a table that changes while the server runs. Called
  /// on io threads, must not block.
  std::function<std::optional<Identity>(std::string_view token)> find_identity;
  bool plaintext_beyond_loopback = false;  ///< SEDNA_SERVE_PLAINTEXT=1: meant
  int io_threads = 1;
  std::size_t max_connections = 4096;
  std::size_t max_header = 32 * 1024;
  std::size_t max_body = std::size_t{256} << 20;
  std::size_t max_queue = 1024;  ///< requests in handlers; more get 503 + Retry-After
  SteadyClock::duration header_timeout = std::chrono::seconds(10);
  SteadyClock::duration body_timeout = std::chrono::seconds(60);  ///< without progress of 64 KiB
  SteadyClock::duration idle_timeout = std::chrono::seconds(300);
  SteadyClock::duration request_deadline = std::chrono::seconds(60);
  SteadyClock::duration drain_timeout = std::chrono::seconds(30);
  bool access_log = true;
  std::string server_name = "sedna";
  ErrorBody not_found;  ///< unknown path or method; default {"error": …}
};

/// Life: construct → route… → start() → (ready) → drain()/stop(). Thread-safe after start. The destructor stops.
/// Built-in routes: GET /healthz, /livez, /readyz, /metrics.
class Server {
 public:
  explicit Server(ServerOptions options, metrics::Registry& registry);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// `pattern`: "/v2/models/{name}/infer"; a placeholder matches one segment; "{rest...}" the remainder.
  /// Before start() only. HEAD is answered by GET's handler without the body where GET exists and `head` is true.
  void route(std::string method, std::string pattern, Handler handler, RouteOptions options = {});
  void websocket(std::string pattern, WebSocketHandler handler, RouteOptions options = {});

  /// Binds and starts the io threads. Throws Error naming host and port when it cannot bind, or when it would serve
  /// beyond loopback without TLS and identity and nobody said that this is meant.
  void start();
  std::uint16_t port() const;
  std::string origin() const;  ///< http(s)://host:port
  /// Readiness as /readyz shows it; a feature reports false while its model loads, with the reason.
  void set_ready(bool ready, std::string reason = {});
  /// Stops accepting, lets requests under way finish (at most drain_timeout), then stops. Idempotent, blocking.
  void drain();
  /// Stops at once. Idempotent, blocking.
  void stop();
  metrics::Registry& registry();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sedna::serve
