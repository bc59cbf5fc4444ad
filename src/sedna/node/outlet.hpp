// The way out of the Pod network: an HTTP proxy that stands on the host and is reached inside. The holder of the home's
// network starts it before it goes inside and hands it its listening sockets.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sedna/base/result.hpp"

namespace sedna::node {

/// Pods use this one (HTTPS_PROXY): no addresses of the host's loopback or of its link.
inline constexpr std::uint16_t kOutletPort = 3128;
/// The storage initializer uses this one: it sees what the host sees, as a download on the host would.
inline constexpr std::uint16_t kHostOutletPort = 3129;

struct ProxyRequest {
  bool connect = false;  ///< a tunnel; else one request that is passed on
  std::string host, port;
  std::string head;  ///< what the server gets (not for a tunnel)
};
/// The head of a request to a proxy, up to its empty line.
Result<ProxyRequest> parse_proxy_request(std::string_view head);

/// Forks a process that stays in the caller's network and ends with the caller; returns the descriptor on which it
/// waits for its two listening sockets. The calling process must have one thread.
int start_outlet();
/// Hands a listening socket over: on `ip`:`port` of the caller's network as it is now. Throws Error.
void give_listener(int outlet, const std::string& ip, std::uint16_t port);

}  // namespace sedna::node
