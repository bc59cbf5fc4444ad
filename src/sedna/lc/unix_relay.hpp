// The worker API on a unix socket: bytes go to and from the TCP port of this process. For workers that share the node's
// file system and not its network.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace sedna::lc {

/// One thread.
class UnixRelay {
 public:
  /// Takes the path over when a process that is gone left it. `host` is what the port is bound to. Throws
  /// Error(kAlreadyExists) when somebody listens there.
  UnixRelay(const std::string& path, const std::string& host, std::uint16_t port);
  ~UnixRelay();
  UnixRelay(const UnixRelay&) = delete;
  UnixRelay& operator=(const UnixRelay&) = delete;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sedna::lc
