// Accepts connections and hands them to the io threads in turn. Internal to the server core.
#pragma once

#include <memory>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "sedna/net/resolve.hpp"
#include "sedna/serve/core.hpp"

namespace sedna::serve {

class Listener : public std::enable_shared_from_this<Listener> {
 public:
  Listener(std::shared_ptr<Core> core, std::vector<std::shared_ptr<Loop>> loops);
  /// Binds and listens; the port. Throws Error naming address and cause.
  std::uint16_t open(const net::SocketAddress& address);
  /// Takes over a socket that listens already.
  std::uint16_t adopt(int descriptor);
  void start();
  /// No more connections. Thread-safe.
  void stop();
  /// After the io threads have ended: lets the loops go.
  void release() { loops_.clear(); }

 private:
  void accept();
  void take(asio::ip::tcp::socket socket, const std::shared_ptr<Loop>& loop);
  void turn_away(asio::ip::tcp::socket socket);

  std::shared_ptr<Core> core_;
  std::vector<std::shared_ptr<Loop>> loops_;
  asio::ip::tcp::acceptor acceptor_;  ///< on the first loop
  asio::steady_timer pause_;
  std::size_t next_ = 0;
  std::atomic<std::size_t> turning_away_{0};
};

}  // namespace sedna::serve
