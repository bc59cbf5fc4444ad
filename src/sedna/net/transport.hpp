// A connection as the blocking client uses it: a non-blocking descriptor that the calling thread polls until a
// deadline. No event loop: one exchange costs sendmsg, poll, recv. Plain and TLS transports exist, and chaos ones in
// tests.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "sedna/base/clock.hpp"
#include "sedna/base/result.hpp"
#include "sedna/net/resolve.hpp"

struct ssl_ctx_st;

namespace sedna::net {

/// One attempt to move bytes.
struct IoStep {
  enum class State : std::uint8_t { kMoved, kWantRead, kWantWrite, kEof, kError };
  State state = State::kError;
  std::size_t bytes = 0;
  int error = 0;          ///< errno; 0 for protocol errors
  const char* what = "";  ///< of a protocol error (TLS)
};

class Transport {
 public:
  virtual ~Transport() = default;
  virtual IoStep try_read(std::span<std::byte> into) = 0;
  /// At most IOV_MAX parts.
  virtual IoStep try_write(std::span<const iovec> parts) = 0;
  virtual int descriptor() const = 0;
  /// True when bytes may lie decoded in memory, so that polling before a read attempt could wait for nothing.
  virtual bool reads_ahead() const { return false; }
  /// True while the peer has neither closed an idle connection nor sent anything unasked.
  virtual bool quiet() = 0;
  /// Says goodbye (TLS) as far as that needs no waiting, before a close in peace.
  virtual void farewell() noexcept {}
};

/// Waits until the descriptor is ready for `events` (POLLIN, POLLOUT) or the deadline has passed; the ready events, 0
/// at the deadline. Errors and hang-ups count as ready, so that the next attempt reports them.
short wait_ready(int descriptor, short events, Deadline deadline);

/// Has the kernel probe a silent peer (first after 30 s), so that a connection to a machine that is gone ends within
/// about a minute instead of hours. Best effort.
void probe_while_silent(int descriptor);

/// Tries each address in turn, each with its share of the time that is left. Errors: kUnavailable, kDeadlineExceeded.
Result<std::unique_ptr<Transport>> connect_tcp(std::span<const SocketAddress> addresses, Deadline deadline);

/// Handshake on a connected transport; `host` is verified against the certificate and sent as SNI. `context` outlives
/// it.
Result<std::unique_ptr<Transport>> connect_tls(std::unique_ptr<Transport> tcp, ssl_ctx_st* context,
                                               const std::string& host, Deadline deadline);

}  // namespace sedna::net
