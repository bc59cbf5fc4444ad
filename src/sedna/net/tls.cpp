#include "sedna/net/tls.hpp"

#include <system_error>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "sedna/net/resolve.hpp"
#include "sedna/net/tls_verify.hpp"

namespace sedna::net {
namespace {

[[noreturn]] void refuse(const std::string& what, const std::string& file) {
  throw Error(ErrorCode::kInvalidArgument, what + ": " + tls_error_text(), file);
}

std::shared_ptr<SSL_CTX> make_context(const SSL_METHOD* method) {
  ERR_clear_error();
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(method), SSL_CTX_free);
  if (context == nullptr) throw Error(ErrorCode::kInternal, "cannot make a TLS context: " + tls_error_text());
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
  // A key that asks for a pass phrase must fail, not prompt on the terminal.
  SSL_CTX_set_default_passwd_cb(context.get(), [](char*, int, int, void*) { return 0; });
  return context;
}

void use_certificate(SSL_CTX* context, const std::string& cert_file, const std::string& key_file) {
  if (cert_file.empty() || key_file.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                "a TLS certificate and its key go together: one of the two files is not set",
                cert_file.empty() ? key_file : cert_file);
  }
  if (SSL_CTX_use_certificate_chain_file(context, cert_file.c_str()) != 1) {
    refuse("cannot read a PEM certificate", cert_file);
  }
  if (SSL_CTX_use_PrivateKey_file(context, key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    refuse("cannot read an unencrypted PEM key that fits the certificate", key_file);
  }
  if (SSL_CTX_check_private_key(context) != 1) refuse("the key does not belong to the certificate", key_file);
}

void trust(SSL_CTX* context, const std::string& ca_file) {
  if (SSL_CTX_load_verify_locations(context, ca_file.c_str(), nullptr) != 1) {
    refuse("cannot read PEM authority certificates", ca_file);
  }
}

using BioPtr = std::unique_ptr<BIO, decltype(&BIO_free)>;

BioPtr read_bio(const std::string& pem) {
  BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free);
  if (bio == nullptr) throw Error(ErrorCode::kInternal, "cannot read PEM text: " + tls_error_text());
  return bio;
}

using CertificatePtr = std::unique_ptr<X509, decltype(&X509_free)>;

CertificatePtr next_certificate(BIO* bio) {
  return {PEM_read_bio_X509(bio, nullptr, nullptr, nullptr), X509_free};
}

void use_certificate_pem(SSL_CTX* context, const std::string& cert_pem, const std::string& key_pem) {
  const BioPtr certs = read_bio(cert_pem);
  const CertificatePtr leaf = next_certificate(certs.get());
  if (leaf == nullptr || SSL_CTX_use_certificate(context, leaf.get()) != 1) {
    refuse("cannot read a PEM certificate", "client certificate");
  }
  while (CertificatePtr intermediate = next_certificate(certs.get())) {
    if (SSL_CTX_add1_chain_cert(context, intermediate.get()) != 1) {
      refuse("cannot use an intermediate certificate", "client certificate");
    }
  }
  ERR_clear_error();  // the end of the text counts as an error there
  const BioPtr keys = read_bio(key_pem);
  const auto no_pass_phrase = [](char*, int, int, void*) { return 0; };
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      PEM_read_bio_PrivateKey(keys.get(), nullptr, no_pass_phrase, nullptr), EVP_PKEY_free);
  if (key == nullptr) refuse("cannot read an unencrypted PEM key", "client key");
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1) {
    refuse("the key does not belong to the certificate", "client key");
  }
}

void trust_pem(SSL_CTX* context, const std::string& pem) {
  const BioPtr certs = read_bio(pem);
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  int count = 0;
  while (const CertificatePtr authority = next_certificate(certs.get())) {
    if (X509_STORE_add_cert(store, authority.get()) != 1) {
      refuse("cannot use an authority certificate", "certificate authority");
    }
    ++count;
  }
  if (count == 0) refuse("cannot read PEM authority certificates", "certificate authority");
  ERR_clear_error();
}

}  // namespace

std::string tls_error_text() {
  std::string text;
  while (const unsigned long code = ERR_get_error()) {
    if (!text.empty()) continue;  // the first entry is the cause; later ones say who noticed
    const char* reason = ERR_reason_error_string(code);
    if (ERR_SYSTEM_ERROR(code)) {
      text = std::system_category().message(ERR_GET_REASON(code));
    } else {
      text = reason != nullptr ? reason : "error " + std::to_string(code);
    }
  }
  return text.empty() ? "unknown reason" : text;
}

TlsContext TlsContext::client(const TlsClientOptions& options) {
  auto context = make_context(TLS_client_method());
  if (!options.ca_pem.empty()) {
    trust_pem(context.get(), options.ca_pem);
  } else if (options.ca_file.empty()) {
    SSL_CTX_set_default_verify_paths(context.get());
  } else {
    trust(context.get(), options.ca_file);
  }
  if (!options.cert_pem.empty() || !options.key_pem.empty()) {
    use_certificate_pem(context.get(), options.cert_pem, options.key_pem);
  } else if (!options.cert_file.empty() || !options.key_file.empty()) {
    use_certificate(context.get(), options.cert_file, options.key_file);
  }
  SSL_CTX_set_verify(context.get(), options.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  static constexpr unsigned char kAlpn[] = "\x08http/1.1";
  SSL_CTX_set_alpn_protos(context.get(), kAlpn, sizeof kAlpn - 1);
  return TlsContext(std::move(context));
}

TlsContext TlsContext::server(const TlsServerFiles& files) {
  auto context = make_context(TLS_server_method());
  use_certificate(context.get(), files.cert_file, files.key_file);
  if (!files.client_ca_file.empty()) {
    trust(context.get(), files.client_ca_file);
    STACK_OF(X509_NAME)* names = SSL_load_client_CA_file(files.client_ca_file.c_str());
    if (names == nullptr) refuse("cannot read PEM authority certificates", files.client_ca_file);
    SSL_CTX_set_client_CA_list(context.get(), names);
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  static constexpr unsigned char kSession[] = "sedna";
  SSL_CTX_set_session_id_context(context.get(), kSession, sizeof kSession - 1);
  SSL_CTX_set_alpn_select_cb(
      context.get(),
      [](SSL*, const unsigned char** out, unsigned char* length, const unsigned char* in, unsigned int size, void*) {
        static constexpr unsigned char kAlpn[] = "\x08http/1.1";
        unsigned char* chosen = nullptr;
        if (SSL_select_next_proto(&chosen, length, kAlpn, sizeof kAlpn - 1, in, size) != OPENSSL_NPN_NEGOTIATED) {
          return SSL_TLSEXT_ERR_NOACK;
        }
        *out = chosen;
        return SSL_TLSEXT_ERR_OK;
      },
      nullptr);
  return TlsContext(std::move(context));
}

Result<void> tls_expect_host(SSL* ssl, const std::string& host) {
  ERR_clear_error();
  bool ok = false;
  if (!resolve_literal(host, 1).empty() && host != "localhost") {
    ok = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str()) == 1;
  } else {
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    ok = SSL_set1_host(ssl, host.c_str()) == 1 && SSL_set_tlsext_host_name(ssl, host.c_str()) == 1;
  }
  if (!ok) return Error(ErrorCode::kInvalidArgument, "cannot verify this host name: " + tls_error_text(), host);
  return {};
}

std::string tls_failure(SSL* ssl) {
  const long verified = SSL_get_verify_result(ssl);
  if (verified != X509_V_OK) {
    ERR_clear_error();
    return std::string("certificate verify failed: ") + X509_verify_cert_error_string(verified);
  }
  return ERR_peek_error() == 0 ? std::string() : tls_error_text();
}

}  // namespace sedna::net
