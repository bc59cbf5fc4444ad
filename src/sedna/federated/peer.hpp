// One client's WebSocket as the aggregation server writes to it: any thread queues texts, one coroutine sends them in
// order. Internal.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "sedna/base/buffer.hpp"
#include "sedna/serve/server.hpp"

namespace sedna::federated {

class Peer : public std::enable_shared_from_this<Peer> {
 public:
  Peer(std::uint64_t connection, net::asio::any_io_executor executor)
      : connection_(connection), executor_(executor), wake_(executor), ended_(executor) {}

  std::uint64_t connection() const { return connection_; }
  /// The newest round whose model it was sent, so that none goes twice over one connection. For the server, under its
  /// lock.
  std::int64_t model_round = 0;
  /// Asynchronous rules: it has sent an update and waits for a model. For the server, under its lock.
  bool waiting = false;

  /// Queues a text. False when it is on its way out, or so far behind that it was dropped. Thread-safe.
  bool send(Bytes text);
  /// Sends what is queued, then says goodbye. Thread-safe.
  void close(std::uint16_t code, std::string reason);
  /// Whether close() was called: then its end is ours, not the peer's. Thread-safe.
  bool closing() const;

  /// The writer: runs until the socket ends or close() was carried out. Started once, on the socket's executor.
  static net::Task<void> write_all(std::shared_ptr<Peer> self, serve::WebSocket* socket);
  /// Ends the writer and waits for it: afterwards nobody uses the socket. From the executor.
  net::Task<void> finish();

 private:
  struct Item {
    Bytes text;
    std::uint16_t close_code = 0;
    std::string reason;
  };
  std::optional<Item> pop();

  // Texts share their bytes, so this bounds list nodes, not memory: a client that reads nothing while others come and
  // go.
  static constexpr std::size_t kMaxQueue = 65536;

  const std::uint64_t connection_;
  net::asio::any_io_executor executor_;
  net::asio::steady_timer wake_;   // from the executor only
  net::asio::steady_timer ended_;  // from the executor only
  bool writer_done_ = false;       // from the executor only
  bool stop_ = false;              // from the executor only
  mutable std::mutex mutex_;
  std::deque<Item> queue_;
  bool closing_ = false;
};

}  // namespace sedna::federated
