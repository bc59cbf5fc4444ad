// TCP as a Stream. Made by listeners from accepted sockets and by connect().
#pragma once

#include <boost/asio/ip/tcp.hpp>

#include "sedna/net/stream.hpp"

namespace sedna::net {

/// Takes over a connected socket: TCP_NODELAY and non-blocking from here on. The executor is the socket's.
StreamPtr make_tcp_stream(asio::ip::tcp::socket socket);

/// The same from a descriptor that the caller gives away. Throws Error when it is no connected stream socket.
StreamPtr adopt_tcp_descriptor(asio::any_io_executor executor, int descriptor);

}  // namespace sedna::net
