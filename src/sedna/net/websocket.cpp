// The only file that instantiates Beast's WebSocket.
#include "sedna/net/websocket.hpp"

#include <algorithm>
#include <array>

#include <boost/align/aligned_allocator.hpp>
#include <boost/asio/compose.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/websocket.hpp>

#include "sedna/net/io.hpp"

namespace sedna::net {

namespace beast = boost::beast;
namespace websocket = beast::websocket;

// The layer below Beast: a Stream, after bytes that were read too early.
class WebSocketLayer {
 public:
  using executor_type = Stream::executor_type;
  WebSocketLayer(Stream& stream, std::string leftover) : stream_(&stream), leftover_(std::move(leftover)) {}
  executor_type get_executor() { return stream_->get_executor(); }
  Stream& stream() { return *stream_; }

  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    return asio::async_initiate<Token, void(boost::system::error_code, std::size_t)>(
        [](auto handler, WebSocketLayer* self, const Buffers& into) {
          if (const std::size_t n = self->take_leftover(into); n > 0) {
            auto executor = asio::get_associated_executor(handler, self->get_executor());
            asio::post(executor, beast::bind_handler(std::move(handler), boost::system::error_code(), n));
            return;
          }
          self->stream_->async_read_some(into, std::move(handler));
        },
        token, this, buffers);
  }
  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    return stream_->async_write_some(buffers, std::forward<Token>(token));
  }

 private:
  template <class Buffers>
  std::size_t take_leftover(const Buffers& into) {
    if (leftover_.empty()) return 0;
    const std::size_t n = asio::buffer_copy(into, asio::buffer(leftover_));
    leftover_.erase(0, n);
    return n;
  }

  Stream* stream_;
  std::string leftover_;
};

// Beast finds these by their argument.
void beast_close_socket(WebSocketLayer& layer) {
  layer.stream().close();
}

void teardown(beast::role_type, WebSocketLayer& layer, boost::system::error_code& error) {
  layer.stream().shutdown_write();
  layer.stream().close();
  error = {};
}

// Closing while bytes are still coming in would reset the connection and could destroy our close frame before it is
// read: say that no more is written, then read to the end, for a while.
constexpr auto kLingerTime = std::chrono::seconds(2);
constexpr std::size_t kLingerBytes = std::size_t{4} << 20;

struct Linger {
  explicit Linger(Stream& stream) : watchdog(stream) { watchdog.set(Deadline::after(kLingerTime)); }
  Watchdog watchdog;
  std::size_t read = 0;
  std::array<char, 8192> buffer;
};

template <class Handler>
void async_teardown(beast::role_type, WebSocketLayer& layer, Handler&& handler) {
  Stream& stream = layer.stream();
  stream.shutdown_write();
  auto op = [&stream, linger = std::make_unique<Linger>(stream)](auto& self, boost::system::error_code error = {},
                                                                 std::size_t bytes = 0) mutable {
    linger->read += bytes;
    if (error || linger->read > kLingerBytes) {
      stream.close();
      self.complete(boost::system::error_code());
      return;
    }
    const auto into = asio::buffer(linger->buffer);
    stream.async_read_some(into, std::move(self));
  };
  asio::async_compose<Handler, void(boost::system::error_code)>(std::move(op), handler, stream.get_executor());
}

namespace {

using Ws = websocket::stream<WebSocketLayer, true>;
using Buffer = beast::basic_flat_buffer<boost::alignment::aligned_allocator<char, kBufferAlignment>>;

constexpr std::size_t kMaxReason = 123;

ErrorCode code_of(const boost::system::error_code& error) {
  if (error == websocket::error::message_too_big || error == websocket::error::buffer_overflow) {
    return ErrorCode::kResourceExhausted;
  }
  if (error == beast::error::timeout) return ErrorCode::kDeadlineExceeded;
  if (error == boost::system::error_condition(websocket::condition::protocol_violation))
    return ErrorCode::kInvalidArgument;
  return ErrorCode::kUnavailable;
}

Error ws_error(const boost::system::error_code& error, std::string_view doing, const std::string& peer) {
  return Error(code_of(error), "WebSocket: " + error.message() + " while " + std::string(doing), peer);
}

class BeastWebSocket final : public WebSocketStream {
 public:
  BeastWebSocket(StreamPtr owned, Stream& stream, std::string leftover, WebSocketOptions options)
      : owned_(std::move(owned)), options_(std::move(options)), ws_(stream, std::move(leftover)) {
    ws_.read_message_max(options_.max_message);
    websocket::permessage_deflate deflate;
    deflate.client_enable = options_.deflate;
    deflate.server_enable = options_.deflate;
    deflate.memLevel = 4;
    ws_.set_option(deflate);
    websocket::stream_base::timeout timeout{};
    timeout.handshake_timeout = options_.handshake_timeout;
    timeout.idle_timeout = options_.idle_timeout.count() > 0 ? options_.idle_timeout : websocket::stream_base::none();
    timeout.keep_alive_pings = options_.idle_timeout.count() > 0;
    ws_.set_option(timeout);
    ws_.auto_fragment(false);
  }

  Task<void> accept(HttpRequest request) {
    beast::http::request<beast::http::empty_body> upgrade;
    upgrade.method_string(request.method);
    upgrade.target(request.target);
    upgrade.version(11);
    for (const auto& [name, value] : request.headers) upgrade.insert(name, value);
    const Headers extra = options_.headers;
    ws_.set_option(websocket::stream_base::decorator([extra](websocket::response_type& response) {
      for (const auto& [name, value] : extra) response.set(name, value);
    }));
    boost::system::error_code error;
    co_await ws_.async_accept(upgrade, asio::redirect_error(asio::use_awaitable, error));
    if (!error) co_return;
    const bool upgrade_refused = error.category() == make_error_code(websocket::error::no_connection).category();
    if (!upgrade_refused) throw ws_error(error, "accepting", peer());
    throw Error(ErrorCode::kInvalidArgument, "not a WebSocket upgrade: " + error.message(), peer());
  }

  Task<void> handshake(std::string host, std::string target) {
    const Headers extra = options_.headers;
    ws_.set_option(websocket::stream_base::decorator([extra](websocket::request_type& request) {
      request.set(beast::http::field::user_agent, "sedna/0.1");
      for (const auto& [name, value] : extra) request.set(name, value);
    }));
    websocket::response_type response;
    boost::system::error_code error;
    co_await ws_.async_handshake(response, host, target, asio::redirect_error(asio::use_awaitable, error));
    if (!error) co_return;
    if (error == websocket::error::upgrade_declined) {
      const int status = static_cast<int>(response.result_int());
      throw Error(error_code_from_http(status), "WebSocket refused with status " + std::to_string(status),
                  host + target);
    }
    throw ws_error(error, "shaking hands", host + target);
  }

  Task<std::optional<Message>> read() override {
    auto buffer = std::make_shared<Buffer>();
    boost::system::error_code error;
    co_await ws_.async_read(*buffer, asio::redirect_error(asio::use_awaitable, error));
    if (error == websocket::error::closed) co_return std::nullopt;
    if (error) throw ws_error(error, "reading", peer());
    std::optional<Message> message(std::in_place);
    message->text = ws_.got_text();
    const auto data = buffer->cdata();
    const std::span<const std::byte> view(static_cast<const std::byte*>(data.data()), data.size());
    message->data = Bytes(std::move(buffer), view);
    co_return message;
  }

  Task<void> write(bool text, Bytes data) override {
    ws_.text(text);
    boost::system::error_code error;
    const asio::const_buffer view(data.data(), data.size());
    co_await ws_.async_write(view, asio::redirect_error(asio::use_awaitable, error));
    if (error) throw ws_error(error, "writing", peer());
  }

  Task<void> close(std::uint16_t code, std::string reason) override {
    websocket::close_reason why;
    why.code = code;
    why.reason.assign(reason.data(), std::min(reason.size(), kMaxReason));
    boost::system::error_code error;
    co_await ws_.async_close(why, asio::redirect_error(asio::use_awaitable, error));
    // Closing what the peer has just closed, or never answers about, is closed all the same.
    ws_.next_layer().stream().close();
  }

  void abort() noexcept override { ws_.next_layer().stream().close(); }
  std::uint16_t close_code() const override { return ws_.reason().code; }
  std::string close_reason() const override {
    return std::string(ws_.reason().reason.data(), ws_.reason().reason.size());
  }

 private:
  std::string peer() { return ws_.next_layer().stream().remote(); }

  StreamPtr owned_;
  WebSocketOptions options_;
  Ws ws_;
};

}  // namespace

Task<std::unique_ptr<WebSocketStream>> WebSocketStream::accept(Stream& stream, HttpRequest request,
                                                               std::string leftover, WebSocketOptions options) {
  auto socket = std::make_unique<BeastWebSocket>(nullptr, stream, std::move(leftover), std::move(options));
  co_await socket->accept(std::move(request));
  co_return std::unique_ptr<WebSocketStream>(std::move(socket));
}

Task<std::unique_ptr<WebSocketStream>> WebSocketStream::handshake(StreamPtr stream, std::string host,
                                                                  std::string target, WebSocketOptions options) {
  Stream& under = *stream;
  auto socket = std::make_unique<BeastWebSocket>(std::move(stream), under, std::string(), std::move(options));
  co_await socket->handshake(std::move(host), std::move(target));
  co_return std::unique_ptr<WebSocketStream>(std::move(socket));
}

Task<std::unique_ptr<WebSocketStream>> WebSocketStream::connect(std::string url, std::optional<TlsContext> tls,
                                                                WebSocketOptions options, Deadline deadline) {
  const Url parsed = parse_url(url).value();
  StreamPtr stream = co_await connect_stream(parsed, std::move(tls), deadline);
  if (!deadline.is_never()) {
    options.handshake_timeout = std::min<SteadyClock::duration>(options.handshake_timeout, deadline.remaining());
  }
  auto socket = co_await handshake(std::move(stream), parsed.authority(), parsed.target, std::move(options));
  co_return socket;
}

}  // namespace sedna::net
