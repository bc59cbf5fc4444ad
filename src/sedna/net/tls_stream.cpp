// TLS as a Stream over any other Stream, through Asio's engine. The only file that instantiates asio::ssl::stream.
#include <algorithm>
#include <array>
#include <cstring>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "sedna/net/io.hpp"
#include "sedna/net/tls.hpp"
#include "sedna/net/tls_verify.hpp"

namespace sedna::net {
namespace {

// What asio::ssl::stream asks of the layer below it.
class Under {
 public:
  using executor_type = Stream::executor_type;
  using lowest_layer_type = Under;
  explicit Under(StreamPtr stream) : stream_(std::move(stream)) {}
  executor_type get_executor() { return stream_->get_executor(); }
  lowest_layer_type& lowest_layer() { return *this; }
  const lowest_layer_type& lowest_layer() const { return *this; }
  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    return stream_->async_read_some(buffers, std::forward<Token>(token));
  }
  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    return stream_->async_write_some(buffers, std::forward<Token>(token));
  }
  Stream& stream() const { return *stream_; }

 private:
  StreamPtr stream_;
};

// The engine and the stream below it. Operations under way hold it too, because Asio's refer to it until they are over.
struct Session {
  Session(StreamPtr under, const TlsContext& tls) : context(as_asio(tls)), ssl(Under(std::move(under)), context) {}
  static asio::ssl::context as_asio(const TlsContext& tls) {
    SSL_CTX_up_ref(tls.native());  // asio::ssl::context frees what it is given
    return asio::ssl::context(tls.native());
  }
  Stream& under() { return ssl.next_layer().stream(); }

  asio::ssl::context context;
  asio::ssl::stream<Under> ssl;
  std::array<char, 16 * 1024> gathered;
};

// A handler that keeps the session alive and is otherwise what it wraps (executor, allocator, cancellation).
struct HoldingHandler {
  Stream::IoHandler handler;
  std::shared_ptr<Session> session;
  void operator()(boost::system::error_code error, std::size_t bytes) { std::move(handler)(error, bytes); }
};

}  // namespace
}  // namespace sedna::net

template <template <class, class> class Associator, class Default>
struct boost::asio::associator<Associator, sedna::net::HoldingHandler, Default>
    : Associator<sedna::net::Stream::IoHandler, Default> {
  using Base = Associator<sedna::net::Stream::IoHandler, Default>;
  static auto get(const sedna::net::HoldingHandler& h) noexcept { return Base::get(h.handler); }
  static auto get(const sedna::net::HoldingHandler& h, const Default& d) noexcept { return Base::get(h.handler, d); }
};

namespace sedna::net {
namespace {

class TlsStream final : public Stream {
 public:
  TlsStream(StreamPtr under, const TlsContext& context)
      : session_(std::make_shared<Session>(std::move(under), context)) {}
  ~TlsStream() override { TlsStream::close(); }

  executor_type get_executor() override { return session_->ssl.get_executor(); }
  void start_read(const asio::mutable_buffer* buffers, std::size_t count, IoHandler handler) override {
    // The engine fills one buffer at a time; a shorter read is what "some" means.
    const asio::mutable_buffer first = count > 0 ? buffers[0] : asio::mutable_buffer();
    session_->ssl.async_read_some(first, HoldingHandler{std::move(handler), session_});
  }
  void start_write(const asio::const_buffer* buffers, std::size_t count, IoHandler handler) override {
    asio::const_buffer first = count > 0 ? buffers[0] : asio::const_buffer();
    auto& gathered = session_->gathered;
    if (count > 1 && first.size() < gathered.size()) {
      // A small head and what follows go out as one record.
      std::size_t size = 0;
      for (std::size_t i = 0; i < count && size < gathered.size(); ++i) {
        const std::size_t n = std::min(buffers[i].size(), gathered.size() - size);
        std::memcpy(gathered.data() + size, buffers[i].data(), n);
        size += n;
      }
      first = asio::const_buffer(gathered.data(), size);
    }
    session_->ssl.async_write_some(first, HoldingHandler{std::move(handler), session_});
  }
  std::size_t try_read(const asio::mutable_buffer* buffers, std::size_t count,
                       boost::system::error_code& error) override {
    std::size_t n = 0;
    error = asio::error::would_block;
    // Bytes that are already decoded need no network.
    if (count > 0 && SSL_pending(native()) > 0 &&
        SSL_read_ex(native(), buffers[0].data(), buffers[0].size(), &n) == 1) {
      error = {};
    }
    return n;
  }
  void shutdown_write() noexcept override {
    if (SSL_in_init(native()) != 0 || (SSL_get_shutdown(native()) & SSL_SENT_SHUTDOWN) != 0) return;
    try {
      // The close_notify record is written while this starts; nobody waits for the peer's.
      session_->ssl.async_shutdown([session = session_](boost::system::error_code) {});
    } catch (const std::exception&) {
      session_->under().close();  // no memory to say goodbye in good form
    }
  }
  void close() noexcept override { session_->under().close(); }
  std::string remote() const override { return session_->under().remote(); }
  bool encrypted() const override { return true; }

  Task<void> handshake(asio::ssl::stream_base::handshake_type side, std::string subject, Deadline deadline) {
    Watchdog watchdog(session_->under());
    watchdog.set(deadline);
    boost::system::error_code error;
    co_await session_->ssl.async_handshake(side, asio::redirect_error(asio::use_awaitable, error));
    if (!error) co_return;
    if (watchdog.fired()) {
      throw Error(ErrorCode::kDeadlineExceeded, "deadline passed during the TLS handshake", subject);
    }
    const long verified = SSL_get_verify_result(native());
    if (verified != X509_V_OK) {
      const char* reason = X509_verify_cert_error_string(verified);
      throw Error(ErrorCode::kUnauthenticated,
                  std::string("TLS handshake failed: certificate verify failed: ") + reason, subject);
    }
    if (error.category() == asio::error::get_ssl_category()) {
      throw Error(ErrorCode::kUnauthenticated, "TLS handshake failed: " + error.message(), subject);
    }
    throw io_error(error, "shaking hands for TLS", subject);
  }
  SSL* native() { return session_->ssl.native_handle(); }

 private:
  std::shared_ptr<Session> session_;
};

}  // namespace

Task<StreamPtr> tls_client(StreamPtr under, TlsContext context, std::string host, Deadline deadline) {
  auto stream = std::make_unique<TlsStream>(std::move(under), context);
  tls_expect_host(stream->native(), host).value();
  co_await stream->handshake(asio::ssl::stream_base::client, host, deadline);
  co_return StreamPtr(std::move(stream));
}

Task<StreamPtr> tls_server(StreamPtr under, TlsContext context, Deadline deadline) {
  const std::string remote = under->remote();
  auto stream = std::make_unique<TlsStream>(std::move(under), context);
  co_await stream->handshake(asio::ssl::stream_base::server, remote, deadline);
  co_return StreamPtr(std::move(stream));
}

std::string tls_peer_name(Stream& stream) {
  auto* tls = dynamic_cast<TlsStream*>(&stream);
  if (tls == nullptr || SSL_get_verify_result(tls->native()) != X509_V_OK) return {};
  X509* certificate = SSL_get0_peer_certificate(tls->native());
  if (certificate == nullptr) return {};
  const X509_NAME* subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at < 0) return {};
  unsigned char* text = nullptr;
  const int length = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
  if (length < 0) return {};
  std::string name(reinterpret_cast<const char*>(text), static_cast<std::size_t>(length));
  OPENSSL_free(text);
  // A NUL or control character inside a name is an attempt to look like another one.
  return std::any_of(name.begin(), name.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }) ? std::string()
                                                                                                      : name;
}

}  // namespace sedna::net
