// The writing half of a link: one coroutine sends what others queue, and asks a source for more when there is nothing
// else. Internal to link.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "sedna/base/buffer.hpp"
#include "sedna/net/stream.hpp"

namespace sedna::link {

/// What the writer writes to: a server's socket or a client's stream.
class Writable {
 public:
  virtual ~Writable() = default;
  virtual net::Task<void> write(Bytes text) = 0;
  virtual net::Task<void> close(std::uint16_t code, std::string reason) = 0;
};

class Outbox : public std::enable_shared_from_this<Outbox> {
 public:
  /// `more`: the next text when the queue is empty, or nothing; called by the writer only.
  using Source = std::function<std::optional<std::string>()>;
  Outbox(net::asio::any_io_executor executor, Source more, std::size_t max_queue);

  /// Thread-safe. False when the link is on its way out, or the queue is full (then it is).
  bool send(std::string text);
  /// There may be more to ask for. Thread-safe.
  void wake();
  /// Says goodbye after what is queued. Thread-safe.
  void close(std::uint16_t code, std::string reason);

  /// Runs until the link ends. Started once, on the executor.
  static net::Task<void> run(std::shared_ptr<Outbox> self, Writable* to);
  /// Ends the writer and waits for it: afterwards nobody writes. From the executor.
  net::Task<void> finish();

 private:
  struct Item {
    std::string text;
    std::uint16_t close_code = 0;
    std::string reason;
  };
  std::optional<Item> pop();

  net::asio::any_io_executor executor_;
  Source more_;
  const std::size_t max_queue_;
  net::asio::steady_timer wake_;  // from the executor only, as the next three
  net::asio::steady_timer ended_;
  bool writer_done_ = false;
  bool stop_ = false;
  std::mutex mutex_;
  std::deque<Item> queue_;
  bool closing_ = false;
  bool asked_ = true;  ///< somebody said wake(); ask the source
};

}  // namespace sedna::link
