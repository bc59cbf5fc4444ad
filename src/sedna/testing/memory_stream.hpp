// A pipe inside the process with a net::Stream at both ends, for tests of protocols without sockets.
#pragma once

#include <string>
#include <utility>

#include "sedna/net/stream.hpp"

namespace sedna::testing {

/// Two connected ends on one executor (one thread or strand). Each direction holds at most `capacity` bytes, so a
/// writer meets back-pressure. Closing or destroying an end: the other reads what is left, then eof; its writes fail.
std::pair<net::StreamPtr, net::StreamPtr> make_memory_pipe(net::asio::any_io_executor executor,
                                                           std::size_t capacity = 64 * 1024);

}  // namespace sedna::testing
