// Carries bytes between two TCP connections, both ways, with half-closes passed on. Used by the Service proxy, by
// port-forward and by the way out of the Pod network.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <boost/asio/ip/tcp.hpp>

#include "sedna/net/stream.hpp"

namespace sedna::node {

struct Backend {
  std::string ip;
  std::uint16_t port = 0;
  friend bool operator==(const Backend&, const Backend&) = default;
};

/// Connects `client` with one of the backends, the first of a random order that answers within three seconds, and
/// carries until both sides have ended. `what` names the connection in logs.
net::Task<void> relay_to_backend(net::asio::ip::tcp::socket client, std::vector<Backend> backends, std::string what);

/// Carries between two connected sockets.
net::Task<void> relay(net::asio::ip::tcp::socket client, net::asio::ip::tcp::socket server);

/// Accepts on a listening socket (taken over) and carries each connection to `backend` until the process gets SIGTERM
/// or SIGINT. Blocks.
void forward_until_signal(int listening, const Backend& backend);

}  // namespace sedna::node
