// TLS for the blocking client: OpenSSL on the non-blocking socket, with a BIO that cannot raise SIGPIPE.
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "sedna/net/tls.hpp"
#include "sedna/net/tls_verify.hpp"
#include "sedna/net/transport.hpp"

namespace sedna::net {
namespace {

constexpr std::size_t kRecord = 16 * 1024;

int bio_write(BIO* bio, const char* data, int size) {
  auto* fd = static_cast<int*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  const ssize_t n = ::send(*fd, data, static_cast<std::size_t>(size), MSG_NOSIGNAL);
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) BIO_set_retry_write(bio);
  return static_cast<int>(n);
}

int bio_read(BIO* bio, char* data, int size) {
  auto* fd = static_cast<int*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  const ssize_t n = ::recv(*fd, data, static_cast<std::size_t>(size), 0);
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) BIO_set_retry_read(bio);
  if (n == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
  return static_cast<int>(n);
}

long bio_control(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_FLUSH) return 1;
  if (command == BIO_CTRL_EOF) return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
  return 0;
}

int bio_create(BIO* bio) {
  BIO_set_init(bio, 1);
  return 1;
}

// For the life of the process: OpenSSL keeps no count of a method's users.
const BIO_METHOD* socket_method() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "sedna socket");
    BIO_meth_set_write(m, bio_write);
    BIO_meth_set_read(m, bio_read);
    BIO_meth_set_ctrl(m, bio_control);
    BIO_meth_set_create(m, bio_create);
    return m;
  }();
  return method;
}

class TlsTransport final : public Transport {
 public:
  TlsTransport(std::unique_ptr<Transport> tcp, SSL* ssl) : tcp_(std::move(tcp)), fd_(tcp_->descriptor()), ssl_(ssl) {
    BIO* bio = BIO_new(socket_method());
    SEDNA_CHECK(bio != nullptr);
    BIO_set_data(bio, &fd_);
    SSL_set_bio(ssl_, bio, bio);
    SSL_set_mode(ssl_, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  }
  ~TlsTransport() override { SSL_free(ssl_); }
  TlsTransport(const TlsTransport&) = delete;
  TlsTransport& operator=(const TlsTransport&) = delete;

  Result<void> handshake(const std::string& host, Deadline deadline) {
    while (true) {
      ERR_clear_error();
      const int done = SSL_connect(ssl_);
      if (done == 1) return {};
      const IoStep step = classify(done);
      if (step.state == IoStep::State::kWantRead || step.state == IoStep::State::kWantWrite) {
        const short event = step.state == IoStep::State::kWantRead ? POLLIN : POLLOUT;
        if (deadline.expired() || wait_ready(fd_, event, deadline) == 0) {
          return Error(ErrorCode::kDeadlineExceeded, "deadline passed during the TLS handshake", host);
        }
        continue;
      }
      const std::string reason = tls_failure(ssl_);
      if (reason.empty()) {
        return Error(ErrorCode::kUnavailable,
                     std::string("connection closed during the TLS handshake: ") +
                         (step.error != 0 ? std::strerror(step.error) : "end of stream"),
                     host);
      }
      return Error(ErrorCode::kUnauthenticated, "TLS handshake failed: " + reason, host);
    }
  }

  IoStep try_read(std::span<std::byte> into) override {
    ERR_clear_error();
    std::size_t n = 0;
    const int done = SSL_read_ex(ssl_, into.data(), into.size(), &n);
    if (done == 1) return {IoStep::State::kMoved, n};
    return classify(done);
  }

  IoStep try_write(std::span<const iovec> parts) override {
    ERR_clear_error();
    const void* data = parts.front().iov_base;
    std::size_t size = parts.front().iov_len;
    if (size < kRecord && parts.size() > 1) {
      // A small head and what follows share a record. A repeated attempt gathers the same bytes again, as OpenSSL
      // demands.
      size = 0;
      scratch_.resize(kRecord);
      for (const iovec& part : parts) {
        const std::size_t n = std::min(part.iov_len, kRecord - size);
        std::memcpy(scratch_.data() + size, part.iov_base, n);
        size += n;
        if (size == kRecord) break;
      }
      data = scratch_.data();
    }
    std::size_t n = 0;
    const int done = SSL_write_ex(ssl_, data, size, &n);
    if (done == 1) return {IoStep::State::kMoved, n};
    return classify(done);
  }

  int descriptor() const override { return fd_; }
  bool reads_ahead() const override { return true; }

  bool quiet() override {
    // Session tickets may arrive after the handshake, so let OpenSSL look at what is there: a record without data is
    // fine.
    std::byte byte;
    ERR_clear_error();
    std::size_t n = 0;
    return classify(SSL_peek_ex(ssl_, &byte, 1, &n)).state == IoStep::State::kWantRead && n == 0;
  }

  void farewell() noexcept override {
    ERR_clear_error();
    SSL_shutdown(ssl_);  // sends close_notify if the socket takes it; nobody waits for the answer
    ERR_clear_error();
  }

 private:
  IoStep classify(int done) {
    const int saved = errno;
    switch (SSL_get_error(ssl_, done)) {
      case SSL_ERROR_NONE:
        return {IoStep::State::kMoved};
      case SSL_ERROR_WANT_READ:
        return {IoStep::State::kWantRead};
      case SSL_ERROR_WANT_WRITE:
        return {IoStep::State::kWantWrite};
      case SSL_ERROR_ZERO_RETURN:
        return {IoStep::State::kEof};
      case SSL_ERROR_SYSCALL:
        return {IoStep::State::kError, 0, saved, "TLS connection cut without a goodbye"};
      default:
        break;
    }
    // An end of stream without close_notify may be an attacker's cut, so it is never taken for the end of a body.
    const bool cut = ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
    return {IoStep::State::kError, 0, 0, cut ? "TLS connection cut without a goodbye" : "TLS protocol error"};
  }

  std::unique_ptr<Transport> tcp_;
  int fd_;
  SSL* ssl_;
  std::vector<char> scratch_;
};

}  // namespace

Result<std::unique_ptr<Transport>> connect_tls(std::unique_ptr<Transport> tcp, ssl_ctx_st* context,
                                               const std::string& host, Deadline deadline) {
  SSL* ssl = SSL_new(context);
  if (ssl == nullptr)
    return Error(ErrorCode::kResourceExhausted, "cannot make a TLS session: " + tls_error_text(), host);
  auto transport = std::make_unique<TlsTransport>(std::move(tcp), ssl);
  if (auto named = tls_expect_host(ssl, host); !named) return named.error();
  if (auto done = transport->handshake(host, deadline); !done) return done.error();
  return std::unique_ptr<Transport>(std::move(transport));
}

}  // namespace sedna::net
