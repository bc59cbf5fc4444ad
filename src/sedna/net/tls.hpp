// TLS settings turned into OpenSSL contexts (TLS 1.2 or later, peers verified by name), and TLS over any Stream.
#pragma once

#include <memory>
#include <string>

#include "sedna/net/http_client.hpp"
#include "sedna/net/stream.hpp"

struct ssl_ctx_st;

namespace sedna::net {

/// What a server shows, and whom it lets in.
struct TlsServerFiles {
  TlsServerFiles() {}
  std::string cert_file;       ///< PEM, leaf first, then intermediates
  std::string key_file;        ///< PEM
  std::string client_ca_file;  ///< set: clients must show a certificate of this authority
};

/// An OpenSSL context with shared ownership. Immutable after it is made; thread-safe to share.
class TlsContext {
 public:
  /// Throw Error naming the file when one cannot be read, is no PEM, or key and certificate do not belong together.
  static TlsContext client(const TlsClientOptions& options);
  static TlsContext server(const TlsServerFiles& files);
  ssl_ctx_st* native() const { return context_.get(); }

 private:
  explicit TlsContext(std::shared_ptr<ssl_ctx_st> context) : context_(std::move(context)) {}
  std::shared_ptr<ssl_ctx_st> context_;
};

/// Handshakes over `under` as a client: `host` is verified against the certificate (when the context verifies) and sent
/// as SNI. Throws Error: kUnauthenticated with OpenSSL's reason, kDeadlineExceeded, kUnavailable.
Task<StreamPtr> tls_client(StreamPtr under, TlsContext context, std::string host, Deadline deadline);
/// Handshakes over `under` as a server.
Task<StreamPtr> tls_server(StreamPtr under, TlsContext context, Deadline deadline);
/// Common name (or first DNS name) of the certificate that the peer of a TLS stream showed and that was verified; ""
/// when none or when the stream is not TLS.
std::string tls_peer_name(Stream& stream);

/// "certificate verify failed (self-signed certificate)" and the like, from OpenSSL's error queue, which it empties.
std::string tls_error_text();

}  // namespace sedna::net
