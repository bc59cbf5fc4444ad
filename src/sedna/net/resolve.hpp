// Host names to addresses under a deadline. getaddrinfo cannot be interrupted, so names are looked up on a thread that
// may be left behind; address literals and "localhost" need neither. Used by the blocking client and by connect().
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <string>
#include <vector>

#include "sedna/base/clock.hpp"
#include "sedna/base/result.hpp"
#include "sedna/net/stream.hpp"

namespace sedna::net {

/// A socket address ready for connect(2).
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
  const sockaddr* data() const { return reinterpret_cast<const sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }
  bool is_loopback() const;
  /// "203.0.113.9:443" or "[::1]:443".
  std::string text() const;
};

/// The addresses of a literal or of "localhost" (127.0.0.1, then ::1); empty when a look-up is needed.
std::vector<SocketAddress> resolve_literal(const std::string& host, std::uint16_t port);

/// All addresses in the order to try them. Errors: kUnavailable (unknown name, look-ups stuck), kDeadlineExceeded.
Result<std::vector<SocketAddress>> resolve(const std::string& host, std::uint16_t port, Deadline deadline);

/// The same without blocking the executor's thread.
Task<Result<std::vector<SocketAddress>>> async_resolve(std::string host, std::uint16_t port, Deadline deadline);

}  // namespace sedna::net
