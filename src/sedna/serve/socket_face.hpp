// A WebSocket as its handler sees it. Internal to the server core.
#pragma once

#include <memory>

#include "sedna/net/websocket.hpp"
#include "sedna/serve/connection.hpp"

namespace sedna::serve {

/// Keeps the connection (and so the stream) alive as long as anybody uses the socket.
class SocketFace final : public WebSocket, public std::enable_shared_from_this<SocketFace> {
 public:
  SocketFace(std::shared_ptr<Connection> connection, std::unique_ptr<net::WebSocketStream> stream)
      : connection_(std::move(connection)), stream_(std::move(stream)) {}
  net::Task<std::optional<Message>> read() override;
  net::Task<void> write(bool text, Bytes data) override;
  net::Task<void> close(std::uint16_t code, std::string reason) override;
  /// Closes with 1001 as soon as no write is under way; the handler's read ends then.
  void go_away();
  /// Closes if nobody has; never throws.
  net::Task<void> finish(std::uint16_t code, std::string reason);

 private:
  void start_going_away();
  static net::Task<void> say_goodbye(std::shared_ptr<SocketFace> self);

  std::shared_ptr<Connection> connection_;
  std::unique_ptr<net::WebSocketStream> stream_;
  bool writing_ = false;
  bool go_away_ = false;
  bool closing_ = false;
  bool ended_ = false;
};

}  // namespace sedna::serve
