// What both TLS clients (blocking transport, stream) do to an OpenSSL session before and after the handshake.
#pragma once

#include <string>

#include "sedna/base/result.hpp"

struct ssl_st;

namespace sedna::net {

/// Sends SNI and makes verification check the certificate for this name or address.
Result<void> tls_expect_host(ssl_st* ssl, const std::string& host);

/// Why a handshake failed: the verification result first, then OpenSSL's error queue; "" when neither knows.
std::string tls_failure(ssl_st* ssl);

}  // namespace sedna::net
