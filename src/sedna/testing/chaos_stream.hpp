// A Stream that misbehaves on purpose: slow, cut, corrupt or half-open. Wraps any other one; used by protocol tests.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>

#include "sedna/net/stream.hpp"

namespace sedna::testing {

/// What goes wrong, counted in bytes as the wrapped side sees them. Nothing, by default.
struct ChaosPlan {
  ChaosPlan() {}
  static constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t cut_read_after = kNever;       ///< connection_reset once that many bytes were read
  std::uint64_t cut_write_after = kNever;      ///< connection_reset once that many bytes were written
  std::uint64_t corrupt_read_at = kNever;      ///< this byte of the incoming stream arrives with its bits flipped
  std::uint64_t swallow_write_after = kNever;  ///< bytes beyond are accepted and lost (the peer's cable is out)
  bool never_read = false;                     ///< nothing ever arrives (until closed)
  bool drip = false;                           ///< one byte per operation, both ways
  std::chrono::microseconds delay{0};          ///< before each operation
};

net::StreamPtr make_chaos_stream(net::StreamPtr under, ChaosPlan plan);

}  // namespace sedna::testing
