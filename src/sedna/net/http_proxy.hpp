// Connections through an HTTP proxy (CONNECT, RFC 9110 §9.3.6). Used by the blocking client.
#pragma once

#include <memory>
#include <string>

#include "sedna/base/clock.hpp"
#include "sedna/base/result.hpp"
#include "sedna/net/transport.hpp"

namespace sedna::net {

/// "host:port" from the variable SEDNA_PROXY, or "". For a process all of whose connections lead out of the Pod network
/// (the storage initializer); it is not the usual HTTPS_PROXY, because workers talk to each other directly.
std::string proxy_of_this_process();

/// A tunnel to `host`:`port` through the proxy at `proxy` ("host:port"). Errors: kUnavailable (the proxy cannot be
/// reached, or it refuses: its status is in the message), kDeadlineExceeded, kInvalidArgument.
Result<std::unique_ptr<Transport>> connect_through_proxy(const std::string& proxy, const std::string& host,
                                                         std::uint16_t port, Deadline deadline);

}  // namespace sedna::net
